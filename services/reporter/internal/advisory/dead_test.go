package advisory_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// network is a mirror of one feed behind a name that can stop resolving.
type network struct {
	files map[string][]byte
	dead  bool
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.dead {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}
	}
	b, ok := n.files[r.URL.Path]
	status := http.StatusOK
	if !ok {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(b)), Body: io.NopCloser(bytes.NewReader(b)), Request: r}, nil
}

// TestDeadFeed: a feed whose name does not resolve for seven days keeps its last good state, its age is said, what is known of
// its ecosystem becomes stale after the limit, and of others stays none (F26).
func TestDeadFeed(t *testing.T) {
	t.Parallel()
	c, stop, err := blobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	store, err := blob.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var feed bytes.Buffer
	z := zip.NewWriter(&feed)
	w, err := z.Create("GHSA-1.json")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, `{"id":"GHSA-1","modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	n := &network{files: map[string][]byte{"/ecosystems.txt": []byte("npm\n"), "/npm/all.zip": feed.Bytes()}}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	source, err := advisory.Open("http://osv.corp.example", advisory.WebOptions{Client: &http.Client{Transport: n}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	u := advisory.NewUpdater(store, source, advisory.Options{Now: now})
	const limit = 48 * time.Hour
	known := func(x *advisory.Index, ecosystem string) plimsoll.Knowledge {
		return match.New(x).Known(ecosystem, at, limit)
	}
	x, _, err := u.Update(t.Context())
	if err != nil || known(x, "npm").State != plimsoll.KnownCurrent || known(x, "Debian:13").State != plimsoll.KnownNone {
		t.Fatalf("%v, npm %+v, Debian %+v", err, known(x, "npm"), known(x, "Debian:13"))
	}
	began := at
	n.dead = true
	for at.Sub(began) < 7*24*time.Hour {
		at = at.Add(time.Hour)
		y, changed, err := u.Update(t.Context())
		f, _ := y.Feed("npm")
		if !errors.Is(err, plimsoll.ErrUnavailable) || changed || y.Len() != 1 || y.Generation().ID != x.Generation().ID {
			t.Fatalf("after %s: changed %v, %d records, %v; want the last good state", at.Sub(began), changed, y.Len(), err)
		}
		if !strings.Contains(f.Error, "no such host") || !f.Checked.Equal(began) {
			t.Fatalf("after %s: feed %+v; want why, and when it was checked last", at.Sub(began), f)
		}
		want := plimsoll.KnownCurrent
		if at.Sub(began) > limit {
			want = plimsoll.KnownStale
		}
		if k := known(y, "npm"); k.State != want || want == plimsoll.KnownStale && !strings.Contains(k.Reason, "no such host") {
			t.Fatalf("after %s: known %+v, want %s and why", at.Sub(began), k, want)
		}
		if k := known(y, "Debian:13"); k.State != plimsoll.KnownNone {
			t.Fatalf("after %s: an ecosystem without data is known %+v", at.Sub(began), k)
		}
	}
	n.dead = false
	if y, _, err := u.Update(t.Context()); err != nil || known(y, "npm").State != plimsoll.KnownCurrent {
		t.Errorf("alive again: %v, %+v", err, known(y, "npm"))
	}
}
