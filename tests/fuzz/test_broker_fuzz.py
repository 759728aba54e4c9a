"""Raw record batches into a real Kafka for some seconds: no worker exits, and every offset is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
from broker_account import Account
from broker_campaign import BrokerCampaign
from kafka_broker import must_have_kafka

from touchpoint.embedded.kafka import KafkaMissingError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SECONDS = 15


async def test_records_accepted_by_a_broker_are_stored_skipped_or_dead_letters(tmp_path: Path) -> None:
    campaign = BrokerCampaign(4, tmp_path)
    try:
        await campaign.run(SECONDS)
        account = Account(campaign)
        await account.settle()
    except KafkaMissingError as error:
        if must_have_kafka():
            raise
        pytest.skip(str(error))
    finally:
        campaign.end()
    assert not account.findings, "\n".join(account.lines())
    assert account.fates["accepted"] > 20
    assert any(fate.startswith("damaged") for fate in account.fates), "\n".join(account.lines())
