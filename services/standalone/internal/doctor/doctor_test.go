package doctor

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// nobody is an address that refuses: nothing may listen on port 1.
const nobody = "127.0.0.1:1"

// silent is an address that accepts and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// everywhere is a configuration with every engine at one address.
func everywhere(t *testing.T, at string) Patient {
	t.Helper()
	f := config.Default()
	f.Data = filepath.Join(t.TempDir(), "data")
	f.Bucket = blob.Config{Endpoint: at, Bucket: "plimsoll", Region: "us-east-1", AccessKey: "key", SecretKey: "secret"}
	f.NATS.URL, f.Temporal.Address = "nats://"+at, at
	f.Scheduler.Workers = []string{at}
	f.Registries = []plimsoll.Registry{{ID: "harbor", URL: "http://" + at}}
	return Patient{File: f, Server: "http://" + at}
}

// TestAllIsDown: whether everything refuses or nothing ever answers, every check ends within five seconds and says what to do.
func TestAllIsDown(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"refused": nobody, "silent": silent(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := everywhere(t, at)
			began := time.Now()
			all := Look(t.Context(), p)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v, want at most 5 s", took)
			}
			if len(all) != 10 {
				t.Errorf("%d checks, want ten", len(all))
			}
			for _, r := range all {
				want := Broken
				switch r.Name {
				case "data folder", "clock":
					want = Skipped // nothing is kept here, and nobody's clock can be read
				}
				if r.State != want || (r.Fix == "") != (want == Skipped) || r.Detail == "" {
					t.Errorf("%s: %s %q, fix %q; want %s", r.Name, r.State, r.Detail, r.Fix, want)
				}
			}
		})
	}
}

// TestQueue: a server without JetStream, without streams, and with a dead letter are told apart.
func TestQueue(t *testing.T) {
	t.Parallel()
	start := func(o server.Options) string {
		o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
		s, err := server.NewServer(&o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(time.Minute) {
			t.Fatal("NATS does not start")
		}
		return s.ClientURL()
	}
	p := Patient{}
	p.File.NATS.URL = start(server.Options{})
	if r := queue(t.Context(), p); r.State != Broken || !strings.Contains(r.Fix, "JetStream") {
		t.Errorf("without JetStream: %+v", r)
	}
	p.File.NATS.URL = start(server.Options{JetStream: true, StoreDir: t.TempDir()})
	if r := queue(t.Context(), p); r.State != Warning || !strings.Contains(r.Fix, "scheduler") {
		t.Errorf("without streams: %+v", r)
	}
	nc, err := nats.Connect(p.File.NATS.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []jetstream.StreamConfig{
		{Name: scanv1.StreamRequests, Subjects: []string{scanv1.SubjectsRequests}},
		{Name: scanv1.StreamDeadLetters, Subjects: []string{scanv1.SubjectsDead}},
	} {
		if _, err := js.CreateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if r := queue(t.Context(), p); r.State != OK {
		t.Errorf("with streams: %+v", r)
	}
	if _, err := js.Publish(t.Context(), scanv1.DeadSubject("harbor"), nil); err != nil {
		t.Fatal(err)
	}
	if r := queue(t.Context(), p); r.State != Warning || !strings.Contains(r.Detail, "1 dead letter") {
		t.Errorf("with a dead letter: %+v", r)
	}
}

// TestClock: an answer that is an hour old by its own clock is told.
func TestClock(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	p := Patient{Server: s.URL, Now: time.Now}
	if r := clock(t.Context(), p); r.State != OK {
		t.Errorf("the same clock: %+v", r)
	}
	p.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if r := clock(t.Context(), p); r.State != Broken || !strings.Contains(r.Detail, "1h0m") {
		t.Errorf("an hour apart: %+v", r)
	}
}

// TestTheRunningOneIsAsked: what it says of feeds, posture and sweeps becomes a state and what to do.
func TestTheRunningOneIsAsked(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/api/v1/status":   `{"parts":{"nats":"ok","temporal":"away"},"faults":[],"version":"1"}`,
		"/api/v1/coverage": `{"feeds":[{"ecosystem":"Debian","state":"fresh"},{"ecosystem":"npm","state":"failed","error":"HTTP 500"}]}`,
		"/api/v1/sweeps":   `{"items":[{"id":"harbor","recent":[{"state":"running"},{"state":"red"}]},{"id":"new","recent":[]}]}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	}))
	defer s.Close()
	p := Patient{Server: s.URL, Token: "token"}
	for _, c := range []struct {
		look  func() Result
		state State
		word  string
	}{
		{func() Result { return queue(t.Context(), p) }, OK, "answers"},
		{func() Result { return temporal(t.Context(), p) }, Broken, "away"},
		{func() Result { return advisories(t.Context(), p) }, Warning, "npm is failed HTTP 500"},
		{func() Result { return posture(t.Context(), p) }, OK, "version 1"},
		{func() Result { return sweeps(t.Context(), p) }, Warning, "harbor (red)"},
		{func() Result { return posture(t.Context(), Patient{Server: s.URL}) }, Broken, "401"},
	} {
		if r := c.look(); r.State != c.state || !strings.Contains(r.Detail, c.word) {
			t.Errorf("%+v, want %s with %q", r, c.state, c.word)
		}
	}
}
