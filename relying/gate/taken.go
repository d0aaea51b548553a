package gate

import (
	"strings"

	"golang.org/x/net/http/httpguts"
)

// taken reports whether a header has a meaning to HTTP, to proxies or to browsers,
// so that neither a certificate nor a user's name can stand in it: proxies take it
// away or make one of their own (RFC 9110, Section 7.6.1), and the answer would not be
// what the gate has said.
func taken(name string) bool {
	if !httpguts.ValidTrailerHeader(name) { // framing, routing, conditions, authentication (RFC 9110, Section 6.5.1)
		return true
	}
	for _, start := range []string{"Accept", "Access-Control-", "Content-", "Cross-Origin-", "Sec-", "Proxy-"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	switch name {
	case "Upgrade", "Http2-Settings", "Date", "Via", "Age", "Server", "User-Agent", "Referer", "Origin", "Cookie", "Set-Cookie", "Location",
		"Vary", "Retry-After", "Allow", "Etag", "Expires", "Last-Modified", "Link", "Refresh", "Clear-Site-Data", "Alt-Svc",
		"Referrer-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server",
		"X-Forwarded-Method", "X-Forwarded-Uri", "X-Real-Ip", "X-Original-Uri", "X-Accel-Redirect", "X-Accel-Buffering":
		return true
	}
	return false
}
