package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

const user, password = "reader", "hunter2"

// auth is a token realm and the rule that a registry asks for its tokens.
type auth struct {
	t      *testing.T
	o      authOptions
	server *httptest.Server
	tokens atomic.Int64

	mu   sync.Mutex
	left map[string]int // uses a token has left; 0: it has run out
}

type authOptions struct {
	lives     int    // how many requests a token is good for; 0: any number
	realm     string // stated in place of the true one
	reply     string // in place of a token
	status    int    // in place of 200
	redirect  string
	identity  bool // wants the identity token by POST
	anonymous bool // gives tokens to anyone
	expires   any  // expires_in
}

func newAuth(t *testing.T, o authOptions) *auth {
	t.Helper()
	a := &auth{t: t, o: o, left: map[string]int{}}
	a.server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.server.Close)
	return a
}

// credentials configures the client for the realm.
func (a *auth) credentials(r *plimsoll.Registry) {
	r.Username, r.PasswordFile = user, write(a.t, password+"\n")
}

func (a *auth) serve(w http.ResponseWriter, req *http.Request) {
	if a.o.redirect != "" {
		http.Redirect(w, req, a.o.redirect, http.StatusTemporaryRedirect)
		return
	}
	if a.o.status != 0 {
		w.WriteHeader(a.o.status)
		return
	}
	u, p, _ := req.BasicAuth()
	switch {
	case a.o.anonymous:
	case a.o.identity:
		if req.Method != http.MethodPost || req.PostFormValue("refresh_token") != "identity" || req.PostFormValue("grant_type") != "refresh_token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	case u != user || p != password:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if a.o.reply != "" {
		_, _ = w.Write([]byte(a.o.reply))
		return
	}
	token := fmt.Sprintf("token-%d-%s", a.tokens.Add(1), base64.RawURLEncoding.EncodeToString([]byte(req.FormValue("scope"))))
	a.mu.Lock()
	a.left[token] = a.o.lives
	if a.o.lives == 0 {
		a.left[token] = 1 << 30
	}
	a.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": a.o.expires})
}

// guard asks for a token in front of a registry.
func (a *auth) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		a.mu.Lock()
		left := a.left[token]
		a.left[token] = left - 1
		a.mu.Unlock()
		if left > 0 {
			next.ServeHTTP(w, req)
			return
		}
		realm := a.o.realm
		if realm == "" {
			realm = a.server.URL + "/token?account=x"
		}
		w.Header().Add("WWW-Authenticate", "Negotiate")
		w.Header().Add("WWW-Authenticate", fmt.Sprintf(`Basic realm="x", Bearer realm=%q,service="the registry",scope="repository:other:push"`, realm))
		w.WriteHeader(http.StatusUnauthorized)
	})
}

func TestBearer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := newAuth(t, authOptions{})
	f.Intercept(a.guard)
	c := f.client(t, quick(), a.credentials)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := c.Head(t.Context(), repository, tag); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if _, _, err := c.Catalog(t.Context(), "", 10); err != nil {
		t.Error(err)
	}
	if got := a.tokens.Load(); got != 2 {
		t.Errorf("%d tokens, want one a scope", got)
	}
	want := map[string]int{"GET ping": 1, "HEAD manifest": 20, "GET catalog": 1}
	if diff := cmp.Diff(want, f.Stats().Requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestBearerWithoutCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := newAuth(t, authOptions{anonymous: true})
	f.Intercept(a.guard)
	c := f.client(t, quick())
	for range 3 {
		if _, err := c.Head(t.Context(), repository, tag); err != nil {
			t.Fatal(err)
		}
	}
	// One 401 to learn from, no ping.
	if diff := cmp.Diff(map[string]int{"HEAD manifest": 4}, f.Stats().Requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestTokenExpiry lets tokens run out after three requests each.
func TestTokenExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := newAuth(t, authOptions{lives: 3})
	f.Intercept(a.guard)
	c := f.client(t, quick(), a.credentials)
	for i := range 10 {
		if _, err := c.Head(t.Context(), repository, tag); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if got := a.tokens.Load(); got != 4 {
		t.Errorf("%d tokens for 10 requests, want 4", got)
	}
}

func TestPasswordIsReadAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := newAuth(t, authOptions{lives: 1})
	f.Intercept(a.guard)
	file := write(t, "old")
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.Username, r.PasswordFile = user, file })
	_, err := c.Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrDenied, "401", user, file)
	if strings.Contains(err.Error(), "old") {
		t.Errorf("the error shows the password: %v", err)
	}
	rewrite(t, file, password)
	if _, err := c.Head(t.Context(), repository, tag); err != nil {
		t.Errorf("after the password was corrected: %v", err)
	}
}

func TestDockerConfig(t *testing.T) {
	t.Parallel()
	entry := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	for _, c := range []struct {
		name string
		o    authOptions
		json string
		kind error
	}{
		{"auth", authOptions{}, fmt.Sprintf(`{"auths":{"HOST":{"auth":%q}}}`, entry), nil},
		{"with scheme", authOptions{}, fmt.Sprintf(`{"auths":{"http://HOST":{"auth":%q}}}`, entry), nil},
		{"identity token", authOptions{identity: true}, `{"auths":{"HOST":{"identitytoken":"identity"}}}`, nil},
		{"other host", authOptions{}, fmt.Sprintf(`{"auths":{"other.example":{"auth":%q}}}`, entry), plimsoll.ErrDenied},
		{"not json", authOptions{}, `no`, plimsoll.ErrDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			a := newAuth(t, c.o)
			f.Intercept(a.guard)
			file := write(t, strings.ReplaceAll(c.json, "HOST", f.Host()))
			_, err := f.client(t, quick(), func(r *plimsoll.Registry) { r.DockerConfig = file }).Head(t.Context(), repository, tag)
			if c.kind != nil {
				wantError(t, err, c.kind, file)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBasic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if u, p, _ := req.BasicAuth(); u != user || p != password {
				w.Header().Set("WWW-Authenticate", `Basic realm="here, there"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	file := write(t, password)
	c := f.client(t, quick(), func(r *plimsoll.Registry) { r.Username, r.PasswordFile = user, file })
	for range 3 {
		if _, err := c.Head(t.Context(), repository, tag); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"GET ping": 1, "HEAD manifest": 3}, f.Stats().Requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	_, err := f.client(t, quick()).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrDenied, "password_file")
	_, err = f.client(t, quick(), func(r *plimsoll.Registry) { r.Username, r.PasswordFile = user, "/nowhere/password" }).Head(t.Context(), repository, tag)
	wantError(t, err, plimsoll.ErrDenied, "/nowhere/password")
}

// TestRealms is H31: where a token is asked for, and where credentials never go.
func TestRealms(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("%s was reached with Authorization %q", req.URL, req.Header.Get("Authorization"))
	}))
	t.Cleanup(stranger.Close)
	for _, c := range []struct {
		name, realm, redirect string
		words                 []string
	}{
		{"metadata", "http://169.254.169.254/latest", "", []string{"169.254.169.254", "never"}},
		{"metadata, mapped", "http://[::ffff:169.254.169.254]/latest", "", []string{"never"}},
		{"a name of the metadata address", "http://metadata.example/token", "", []string{"metadata.example", "169.254.169.254", "never"}},
		{"unspecified", "http://0.0.0.0/token", "", []string{"never"}},
		{"private address", "http://10.1.2.3/token", "", []string{"10.1.2.3", "allow_networks: [10.0.0.0/8]"}},
		{"a public name", "https://attacker.example/token", "", []string{"attacker.example", "public", "loopback", "allow_networks"}},
		{"user information", "http://a:secret@127.0.0.1/token", "", []string{"holds credentials", "no credentials were sent"}},
		{"file", "file:///etc/passwd", "", []string{"no URL"}},
		{"gopher", "gopher://127.0.0.1/x", "", []string{"scheme"}},
		{"relative", "/token", "", []string{"no URL"}},
		{"empty", "-", "", []string{"no URL"}},
		{"redirect to another host", "", stranger.URL + "/steal", []string{"redirects to another host"}},
		{"redirect to metadata", "", "http://169.254.169.254/", []string{"redirects to another host"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			a := newAuth(t, authOptions{realm: c.realm, redirect: c.redirect})
			f.Intercept(a.guard)
			client := f.client(t, quick(), a.credentials)
			lookups(client, map[string]string{"metadata.example": "169.254.169.254", "attacker.example": "203.0.113.9"})
			_, err := client.Head(t.Context(), repository, tag)
			wantError(t, err, plimsoll.ErrDenied, c.words...)
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), password) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// TestRealmDowngrade has an https registry name an http realm.
func TestRealmDowngrade(t *testing.T) {
	t.Parallel()
	c := clientFor(t, "https://registry.example", quick())
	_, err := c.auth.checkRealm("http://registry.example/token")
	wantError(t, err, plimsoll.ErrDenied, "http although")
	if _, err := c.auth.checkRealm("https://auth.example/token"); err != nil {
		t.Errorf("https realm on another host: %v", err)
	}
}

func TestTokenReplies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    authOptions
		kind error
		word string
	}{
		{"access_token", authOptions{reply: `{"access_token":"a"}`}, plimsoll.ErrDenied, "401"}, // taken, but the registry knows it not
		{"huge", authOptions{reply: `{"token":"` + strings.Repeat("a", 1<<17) + `"}`}, plimsoll.ErrLimit, "65536"},
		{"none", authOptions{reply: `{}`}, plimsoll.ErrInvalid, "no token"},
		{"header injection", authOptions{reply: `{"token":"a\r\nX-Evil: 1"}`}, plimsoll.ErrInvalid, "no token"},
		{"html", authOptions{reply: `<html>sign in</html>`}, plimsoll.ErrInvalid, "no token"},
		{"404 is not a missing image", authOptions{status: 404}, plimsoll.ErrDenied, "404"},
		{"503", authOptions{status: 503}, plimsoll.ErrUnavailable, "503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			a := newAuth(t, c.o)
			f.Intercept(a.guard)
			_, err := f.client(t, quick(), a.credentials).Head(t.Context(), repository, tag)
			wantError(t, err, c.kind, c.word)
		})
	}
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	a := clientFor(t, "http://127.0.0.1", defaultLimits).auth
	for _, c := range []struct {
		in   float64
		want time.Duration
	}{{0, 50 * time.Second}, {-1, 50 * time.Second}, {300, 290 * time.Second}, {1e12, 3590 * time.Second}, {1e300, 3590 * time.Second}} {
		if got := a.life(c.in); got != c.want {
			t.Errorf("expires_in %g: kept for %s, want %s", c.in, got, c.want)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	a := clientFor(t, "http://127.0.0.1", defaultLimits).auth
	for i := range 3 * maxTokens {
		a.slot(fmt.Sprint(i))
	}
	if len(a.headers) > maxTokens {
		t.Errorf("%d tokens kept, want at most %d", len(a.headers), maxTokens)
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []string
		want challenge
		ok   bool
	}{
		{[]string{`Bearer realm="https://a/t",service="s",scope="x y"`}, challenge{"bearer", "https://a/t", "s"}, true},
		{[]string{`bearer realm = "https://a/t" , service=s`}, challenge{"bearer", "https://a/t", "s"}, true},
		{[]string{`Basic realm="a \"b\", c"`}, challenge{"basic", `a "b", c`, ""}, true},
		{[]string{`Basic realm="b", Bearer realm="t"`}, challenge{"bearer", "t", ""}, true},
		{[]string{"Negotiate", "Basic realm=b"}, challenge{"basic", "b", ""}, true},
		{[]string{"Negotiate"}, challenge{}, false},
		{[]string{`Bearer realm="open`}, challenge{"bearer", "open", ""}, true},
		{[]string{`=,=;"`, ""}, challenge{}, false},
		{nil, challenge{}, false},
	} {
		got, ok := findChallenge(c.in)
		if got != c.want || ok != c.ok {
			t.Errorf("%q: %+v, %v; want %+v, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func FuzzChallenges(f *testing.F) {
	for _, s := range []string{`Bearer realm="https://a/t",service="s"`, `Basic realm="a \"b`, `a=b`, `a b c, d=e, f`, `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseChallenges(s) {
			if len(c.scheme) == 0 || len(c.realm)+len(c.service) > len(s) {
				t.Errorf("%q: %+v", s, c)
			}
		}
	})
}

func FuzzTokenReply(f *testing.F) {
	a := &authorizer{c: &Client{lim: defaultLimits}}
	f.Add([]byte(`{"token":"a","expires_in":300}`))
	f.Add([]byte(`{"access_token":"a","expires_in":-1e300}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := a.decodeToken(b, nil); err == nil && (r.token() == "" || strings.ContainsAny(r.token(), "\r\n ")) {
			t.Errorf("%q gave the token %q", b, r.token())
		} else if life := a.life(r.ExpiresIn); life < 30*time.Second || life > time.Hour {
			t.Errorf("%q is kept for %s", b, life)
		}
	})
}
