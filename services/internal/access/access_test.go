package access

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plimsoll/plimsoll"
)

var quiet = slog.New(slog.DiscardHandler)

// file writes a tokens file with one token of each role, named by it, and returns the tokens too.
func file(t *testing.T) (path string, tokens map[Role]string) {
	t.Helper()
	path, tokens = filepath.Join(t.TempDir(), "tokens"), map[Role]string{}
	text := "# who may do what\n\n"
	for i, r := range roles {
		secret, line, err := New("the-"+string(r), r)
		if err != nil {
			t.Fatal(err)
		}
		tokens[r] = secret
		if i%2 == 1 {
			line = "- " + line // as in a YAML list
		}
		text += line + "\n"
	}
	write(t, path, text)
	return path, tokens
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func keeper(t *testing.T, path string, exposed bool) *Keeper {
	t.Helper()
	k, err := NewKeeper(path, exposed, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNew(t *testing.T) {
	t.Parallel()
	a, line, err := New("nightly-ci", Operator)
	if err != nil || !strings.HasPrefix(a, "plm_") || len(a) < 46 || !strings.HasPrefix(line, "nightly-ci operator sha256:") || strings.Contains(line, a) {
		t.Errorf("New = %q, %q, %v", a, line, err)
	}
	if b, _, _ := New("nightly-ci", Operator); a == b {
		t.Error("two tokens are the same")
	}
	for name, role := range map[string]Role{"": Viewer, "a b": Viewer, "-x": Viewer, "a\x1b": Viewer, "sweep": Viewer, "ok": "root", strings.Repeat("x", 65): Viewer} {
		if _, _, err := New(name, role); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("New(%q, %q) = %v, want ErrInvalid", name, role, err)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for i, r := range roles {
		for j, min := range roles {
			if r.Includes(min) != (i >= j) {
				t.Errorf("%s includes %s = %v", r, min, r.Includes(min))
			}
		}
		if r.Includes("") || r.Includes("nobody") || Role("nobody").Includes(r) {
			t.Errorf("%s and a role that does not exist include each other", r)
		}
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	secret, line, _ := New("a", Viewer)
	hash := line[strings.Index(line, "sha256:"):]
	_, err := parse("tokens", []byte(strings.Join([]string{
		line,
		"b viewer",
		"c root " + hash,
		"sweep viewer " + hash,
		"d viewer " + secret,
		secret + " viewer " + hash,
		"e viewer sha256:ABC",
		"f admin " + hash,
		"g viewer " + hash + " more",
		strings.Repeat("x", 2000),
	}, "\n")))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"tokens:2: ", "tokens:3: ", "tokens:4: ", "tokens:5: ", "tokens:6: ", "tokens:7: ", "tokens:8: invalid: the same token as in line 1", "tokens:9: ", "tokens:10: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), secret[8:]) {
		t.Errorf("a fault tells the token:\n%v", err)
	}
	if tokens, err := parse("tokens", []byte("\ufeff# with a mark\n")); err == nil && len(tokens) > 0 {
		t.Errorf("parse = %v, %v", tokens, err)
	}
}

func FuzzParse(f *testing.F) {
	_, line, _ := New("a", Viewer)
	f.Add([]byte(line + "\n- " + line))
	f.Add([]byte("# x\n\na viewer sha256:"))
	f.Add([]byte("plm_x plm_y plm_z"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tokens, err := parse("f", b)
		if err != nil {
			return
		}
		for _, tok := range tokens {
			if checkName(tok.name) != nil || checkRole(tok.role) != nil {
				t.Errorf("parse lets %q %q in", tok.name, tok.role)
			}
		}
	})
}

func TestRequire(t *testing.T) {
	t.Parallel()
	path, tokens := file(t)
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "bearer "+token) }
	}
	basic := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anyone", token) }
	}
	none := func(*http.Request) {}
	const readIt, changeIt = http.MethodGet, http.MethodPost
	for _, tc := range []struct {
		name    string
		exposed bool
		method  string
		with    func(*http.Request)
		status  int
		actor   string
	}{
		{"read here", false, readIt, none, 200, ""},
		{"read here with a token", false, readIt, bearer(tokens[Viewer]), 200, "the-viewer"},
		{"read here with a wrong token", false, readIt, bearer("plm_x"), 401, ""},
		{"read from afar", true, readIt, none, 401, ""},
		{"read from afar as less", true, readIt, bearer(tokens[Viewer]), 403, ""},
		{"read from afar as enough", true, readIt, bearer(tokens[Operator]), 200, "the-operator"},
		{"head from afar", true, http.MethodHead, none, 401, ""},
		{"change here", false, changeIt, none, 401, ""},
		{"change here as less", false, changeIt, bearer(tokens[Viewer]), 403, ""},
		{"change here as enough", false, changeIt, bearer(tokens[Operator]), 200, "the-operator"},
		{"change here as more", false, http.MethodDelete, basic(tokens[Admin]), 200, "the-admin"},
		{"change with an unknown method", false, "BREW", none, 401, ""},
		{"change as a stranger", true, changeIt, bearer("plm_x"), 401, ""},
		{"change with an empty token", true, changeIt, bearer(""), 401, ""},
		{"change with another scheme", true, changeIt, func(r *http.Request) { r.Header.Set("Authorization", "Digest x") }, 401, ""},
		{"change with the hash", true, changeIt, bearer(string(plimsoll.DigestOf([]byte(tokens[Admin])))), 401, ""},
		{"change from another site", false, changeIt, func(r *http.Request) {
			basic(tokens[Admin])(r)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, 403, ""},
		{"change from another origin", false, changeIt, func(r *http.Request) {
			basic(tokens[Admin])(r)
			r.Header.Set("Origin", "https://evil.example")
		}, 403, ""},
		{"change from our own page", false, changeIt, func(r *http.Request) {
			basic(tokens[Admin])(r)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}, 200, "the-admin"},
		{"read by a name that points here", false, readIt, func(r *http.Request) { r.Host = "evil.example:8080" }, 403, ""},
		{"the same with a token", false, readIt, func(r *http.Request) { r.Host = "evil.example"; bearer(tokens[Viewer])(r) }, 200, "the-viewer"},
		{"read by another name of loopback", false, readIt, func(r *http.Request) { r.Host = "[::1]:8080" }, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			h := keeper(t, path, tc.exposed).Require(Operator, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				reached = true
				if got := Actor(r.Context()); got != tc.actor {
					t.Errorf("Actor = %q, want %q", got, tc.actor)
				}
				if got := RoleOf(r.Context()); tc.actor != "" && "the-"+string(got) != tc.actor {
					t.Errorf("RoleOf = %q for %s", got, tc.actor)
				}
			}))
			r := httptest.NewRequest(tc.method, "http://127.0.0.1:8080/x", nil)
			tc.with(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.status || reached != (tc.status == 200) {
				t.Errorf("status %d, reached %v, want %d: %s", w.Code, reached, tc.status, w.Body)
			}
			if tc.status == 200 {
				return
			}
			var body struct {
				Error string `json:"error"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error == "" {
				t.Errorf("body %s: %v", w.Body, err)
			}
			if got := w.Header().Values("WWW-Authenticate"); (len(got) == 2) != (tc.status == 401) {
				t.Errorf("WWW-Authenticate %q with status %d", got, tc.status)
			}
		})
	}
}

func TestWithoutFile(t *testing.T) {
	t.Parallel()
	if _, err := NewKeeper("", true, quiet); err == nil || !strings.Contains(err.Error(), "plimsoll token") {
		t.Errorf("NewKeeper without tokens, exposed = %v", err)
	}
	h := keeper(t, "", false).Require(Viewer, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for method, want := range map[string]int{http.MethodGet: 200, http.MethodPut: 401} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "http://localhost/", nil))
		if w.Code != want || want == 401 && !strings.Contains(w.Body.String(), "no tokens_file") {
			t.Errorf("%s = %d %s, want %d", method, w.Code, w.Body, want)
		}
	}
}

func TestFollowsTheFile(t *testing.T) {
	t.Parallel()
	path, tokens := file(t)
	synctest.Test(t, func(t *testing.T) {
		k := keeper(t, path, true)
		knows := func(token string) bool {
			time.Sleep(checkEvery) // synthetic
			_, ok := k.find(token)
			return ok
		}
		if !knows(tokens[Admin]) || k.Err() != nil {
			t.Fatalf("token not known: %v", k.Err())
		}
		secret, line, _ := New("new", Viewer)
		write(t, path, line+"\n")
		if knows(tokens[Admin]) || !knows(secret) {
			t.Error("a new file does not replace the tokens")
		}
		write(t, path, line+"\nhalf a li")
		if !knows(secret) || !errors.Is(k.Err(), plimsoll.ErrInvalid) {
			t.Errorf("a file with faults takes the tokens away, or Err = %v", k.Err())
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if knows(secret) || k.Err() == nil {
			t.Errorf("a file that is gone leaves its tokens, or Err = %v", k.Err())
		}
		write(t, path, line+"\n")
		if !knows(secret) || k.Err() != nil {
			t.Errorf("the file is back and its token is not: %v", k.Err())
		}
	})
}

func TestKeeperFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := NewKeeper(filepath.Join(dir, "none"), true, quiet); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("NewKeeper of a missing file = %v", err)
	}
	bad := filepath.Join(dir, "bad")
	write(t, bad, "one two\n")
	if _, err := NewKeeper(bad, true, quiet); err == nil || !strings.Contains(err.Error(), bad+":1: ") {
		t.Errorf("NewKeeper of a bad file = %v", err)
	}
	big := filepath.Join(dir, "big")
	write(t, big, strings.Repeat("#\n", maxFile))
	if _, err := NewKeeper(big, true, quiet); !errors.Is(err, plimsoll.ErrLimit) {
		t.Errorf("NewKeeper of a huge file = %v", err)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	path, _ := file(t)
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, "# nobody\n")
	for _, tc := range []struct {
		addr, file string
		loopback   bool
		ok         bool
	}{
		{"127.0.0.1:8080", "", true, true},
		{"127.9.9.9:0", "", true, true},
		{"localhost:8080", "", true, true},
		{"[::1]:8080", "", true, true},
		{"[::ffff:127.0.0.1]:8080", "", true, true},
		{":8080", "", false, false},
		{"0.0.0.0:8080", "", false, false},
		{"[::]:8080", "", false, false},
		{"10.0.0.1:8080", "", false, false},
		{"localhost.example:8080", "", false, false},
		{"127.0.0.1", "", false, false}, // no port: not an address at all
		{"0.0.0.0:8080", empty, false, false},
		{"0.0.0.0:8080", path + ".none", false, false},
		{"0.0.0.0:8080", path, false, true},
	} {
		if got := Loopback(tc.addr); got != tc.loopback {
			t.Errorf("Loopback(%q) = %v", tc.addr, got)
		}
		if err := CheckListen(tc.addr, tc.file); (err == nil) != tc.ok {
			t.Errorf("CheckListen(%q, %q) = %v", tc.addr, filepath.Base(tc.file), err)
		}
	}
}

// Many callers at once, while the file changes: for the race detector.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	path, tokens := file(t)
	k := keeper(t, path, true)
	srv := httptest.NewServer(k.Require(Viewer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, Actor(r.Context())) })))
	defer srv.Close()
	done := make(chan error, 8)
	for range 8 {
		go func() {
			var err error
			for range 50 {
				r, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
				r.Header.Set("Authorization", "Bearer "+tokens[Viewer])
				res, e := http.DefaultClient.Do(r)
				if err = e; err != nil {
					break
				}
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if string(b) != "the-viewer" {
					err = errors.New(string(b))
				}
				k.Err()
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
