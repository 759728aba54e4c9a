#!/bin/sh
# Renders deploy/kubernetes.yaml from the chart, for whoever uses no helm and for its tests.
set -eu
cd "$(dirname "$0")"
echo "# Made by deploy/kubernetes.sh from deploy/helm: change that, not this."
helm template touchpoint helm/touchpoint --namespace touchpoint --kube-version 1.31.0 --values helm/example.yaml
