"""Everything that an installation may set: its fields, its sections, and the checks of their values."""

from touchpoint.settings.installation import FIXED_PARTY_SECRET, PREFIX, Settings
from touchpoint.settings.loading import SettingsError, load_settings

__all__ = ["FIXED_PARTY_SECRET", "PREFIX", "Settings", "SettingsError", "load_settings"]
