package access

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

const howToMake = "make one with \"plimsoll token NAME ROLE\", add the line it prints to a file and name that in tokens_file"

type callerKey struct{}

// Actor is the name of the token that a call came with, for the change log; empty for a reading call without one.
func Actor(ctx context.Context) string {
	t, _ := ctx.Value(callerKey{}).(token)
	return t.name
}

// RoleOf is the role of the token that a call came with; empty without one. Pages offer only what the role may do.
func RoleOf(ctx context.Context) Role {
	t, _ := ctx.Value(callerKey{}).(token)
	return t.role
}

// Require lets a call through to next when it may: a changing call (any method but GET, HEAD and OPTIONS) with a token
// whose role includes min; a reading call likewise where the interface is exposed, else without one. A wrong token is
// refused always. The answers are 401 and 403 with {"error": "…"}, which says what to do.
//
// Changing calls that a browser makes on behalf of another site are refused, and so are reading calls without a token to
// a name that is not this machine's own: a foreign site could have its name point here.
func (k *Keeper) Require(min Role, next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := crossOrigin.Check(r); err != nil {
			refuse(w, http.StatusForbidden, "a changing call from another site's page is refused (cross-origin); call it from Plimsoll's own pages or without a browser")
			return
		}
		secret, given := credential(r)
		if !given {
			k.anonymous(w, r, min, next)
			return
		}
		t, ok := k.find(secret)
		switch {
		case !ok:
			challenge(w, "the token is not known here: check it, or "+howToMake)
		case (k.exposed || changes(r)) && !t.role.Includes(min):
			refuse(w, http.StatusForbidden, "this call needs the role "+string(min)+" and the token "+t.name+" has "+string(t.role)+": use a token with that role, or "+howToMake)
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, t)))
		}
	})
}

// anonymous handles a call without a token.
func (k *Keeper) anonymous(w http.ResponseWriter, r *http.Request, min Role, next http.Handler) {
	switch {
	case k.path == "" && changes(r):
		challenge(w, "changing calls need a token and no tokens_file is configured: "+howToMake)
	case k.exposed || changes(r):
		challenge(w, "this call needs a token with the role "+string(min)+": send \"Authorization: Bearer <token>\" (in a browser: any user name, the token as password); "+howToMake)
	case !loopbackHost(r.Host):
		refuse(w, http.StatusForbidden, "without a token only this machine's own names (localhost, 127.0.0.1) are answered: use one of them, or send a token")
	default:
		next.ServeHTTP(w, r)
	}
}

// changes says whether the call may change something, by the safe methods of RFC 9110, 9.2.1.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// credential is the token that the call carries: as bearer token (RFC 6750, 2.1) or as the password of Basic.
func credential(r *http.Request) (string, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return "", false
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true // some other scheme: a credential, and a wrong one
	}
	return strings.TrimSpace(secret), true
}

func challenge(w http.ResponseWriter, what string) {
	w.Header().Add("WWW-Authenticate", `Bearer realm="plimsoll"`)
	w.Header().Add("WWW-Authenticate", `Basic realm="plimsoll: any user name, the token as password", charset="UTF-8"`)
	refuse(w, http.StatusUnauthorized, what)
}

func refuse(w http.ResponseWriter, status int, what string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here is the caller's connection: it has gone.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": what})
}
