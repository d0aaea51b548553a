package main

import "signet/internal/dirs"

// configDir keeps the CAs that are remembered, stateDir what is pending at cards.
func configDir() string { return dirs.Config() }
func stateDir() string  { return dirs.State() }
