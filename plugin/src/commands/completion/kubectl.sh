#!/bin/sh
# Completion of `kubectl casskop`: kubectl runs this file, which has to be executable, in a directory of PATH, and named
# kubectl_complete-casskop.
exec kubectl-casskop __complete "$@"
