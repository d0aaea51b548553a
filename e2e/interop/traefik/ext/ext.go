// Package ext stands for one of Traefik's source tree that is a module of its own
// and in no module proxy: the place where a vendor adds options to Traefik's.
package ext

type (
	// HTTP adds nothing to the configuration of HTTP.
	HTTP struct{}
	// Router adds nothing to that of a router.
	Router struct{}
)
