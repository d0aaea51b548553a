package main

import (
	"context"
	"net"
	"net/http"
	osuser "os/user"
	"strconv"

	"signet/internal/audit"
)

// actorKey is where a request's context has its actor.
type actorKey struct{}

// actorOf is who gives an operator's command, for the log: audit.Operator, and behind a
// colon, where the system tells, who logged in.
func actorOf(ctx context.Context) string {
	if actor, ok := ctx.Value(actorKey{}).(string); ok {
		return actor
	}
	return audit.Operator
}

// withLogin has the requests of ctx be login's.
func withLogin(ctx context.Context, login string) context.Context {
	return context.WithValue(ctx, actorKey{}, operatorNamed(login))
}

// operatorNamed is the actor of a login's commands; "" is for one that isn't known.
func operatorNamed(login string) string {
	if login == "" {
		return audit.Operator
	}
	return audit.Operator + ":" + login
}

// A loginConn is a connection whose other end is known.
type loginConn struct {
	net.Conn
	login string
}

// connLogin gives the requests of a connection their actor. For http.Server.ConnContext.
func connLogin(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*loginConn); ok {
		return withLogin(ctx, c.login)
	}
	return ctx
}

// asLogin serves every request as login's.
func asLogin(login string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(withLogin(r.Context(), login)))
	})
}

// userName is a user's name, or the number of one that has none.
func userName(uid uint64) string {
	id := strconv.FormatUint(uid, 10)
	if u, err := osuser.LookupId(id); err == nil && u.Username != "" {
		return u.Username
	}
	return id
}
