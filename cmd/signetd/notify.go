package main

import "signet/internal/sdnotify"

// notify tells systemd the state of the service.
func (s *server) notify(state string) {
	if err := sdnotify.Notify(state); err != nil {
		s.logger.Warn(err.Error(), "state", state)
	}
}
