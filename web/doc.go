// Package web is what people see of the CA, and the assembly of all its HTTP.
//
// A [Site] is two handlers: HTTPS, for people and for enrollment, and HTTP, in
// the clear, for what every relying server and every TLS library must be able
// to fetch before it can trust anything: CRLs, OCSP, CA certificates
// (RFC 5280, Section 8, warns of the circle that https would make).
//
// The protocols' own handlers come from packages enroll and revocation; this
// package mounts them behind request ids, one access line for each request,
// bounds on bodies and security headers, and adds the pages and the health checks.
package web
