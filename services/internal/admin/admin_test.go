package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
)

var quiet = slog.New(slog.DiscardHandler)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	reg := NewRegistry()
	layers := prometheus.NewCounter(prometheus.CounterOpts{Name: "plimsoll_layers_total"})
	reg.MustRegister(layers)
	layers.Add(3)
	var ready atomic.Bool
	mux := Handler(reg, func() error {
		if !ready.Load() {
			return errors.New("first fold is not done")
		}
		return nil
	})
	mux.HandleFunc("GET /own", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "own") })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	for _, tc := range []struct {
		path   string
		ready  bool
		status int
		body   string
	}{
		{"/healthz", false, 200, "ok"},
		{"/readyz", false, 503, "not ready: first fold is not done"},
		{"/readyz", true, 200, "ready"},
		{"/metrics", true, 200, "plimsoll_layers_total 3"},
		{"/metrics", true, 200, "go_goroutines"},
		{"/own", true, 200, "own"},
		{"/other", true, 404, ""},
	} {
		ready.Store(tc.ready)
		if status, body := get(t, srv.URL+tc.path); status != tc.status || !strings.Contains(body, tc.body) {
			t.Errorf("%s = %d %.200s, want %d with %q", tc.path, status, body, tc.status, tc.body)
		}
	}
}

// A call in flight when the service stops is answered; then the address is free again.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	entered, leave := make(chan struct{}), make(chan struct{})
	bound, wait, err := Serve(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		fmt.Fprint(w, r.Context().Err())
	}), quiet)
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + bound)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-entered
	cancel()
	close(leave)
	if got := <-answer; got != "<nil>" {
		t.Errorf("the call in flight got %q", got)
	}
	for range 2 {
		if err := wait(); err != nil {
			t.Errorf("wait = %v", err)
		}
	}
	l, err := net.Listen("tcp", bound)
	if err != nil {
		t.Fatalf("the address is not free again: %v", err)
	}
	l.Close()
}

func TestServeFaults(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, want := range map[string]string{
		l.Addr().String():  "in use by another process",
		"192.0.2.1:0":      "no interface of this machine", // TEST-NET-1, RFC 5737
		"127.0.0.1:999999": "999999",
	} {
		_, _, err := Serve(t.Context(), addr, http.NotFoundHandler(), quiet)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Serve(%q) = %v, want one line with %q and the address", addr, err, want)
		}
	}
}

// A caller that sends its header a byte a minute does not keep the service from stopping.
func TestServeStopsWithIdleCallers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	bound, wait, err := Serve(ctx, "127.0.0.1:0", http.NotFoundHandler(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", bound)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HT")); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	cancel()
	wait() // the cut connection may be told or not; the time is what matters
	if d := time.Since(start); d > graceTime+2*time.Second {
		t.Errorf("stopping took %s", d)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := Logger(&out, "warn")
	if err != nil {
		t.Fatal(err)
	}
	nasty := "a\x1b[2J\x7f\u009b31m\u202egnp.exe\U000e0041\nb"
	log.Info("not shown")
	log.Warn(nasty, "tag", nasty, "error", errors.New(nasty), "list", []string{nasty}, nasty, 1)
	line := out.String()
	if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\x1b\x7f\u009b\u202e\U000e0041") {
		t.Errorf("raw control characters in %q", line)
	}
	var record map[string]any
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	if record["msg"] != nasty || record["tag"] != nasty || record["error"] != nasty || record["level"] != "WARN" {
		t.Errorf("record %q", record)
	}
}

func TestLoggerLevels(t *testing.T) {
	t.Parallel()
	for level, lines := range map[string]int{"": 3, "debug": 4, "INFO": 3, "warn": 2, "error": 1} {
		var out bytes.Buffer
		log, err := Logger(&out, level)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("x")
		log.Info("x")
		log.Warn("x")
		log.Error("x")
		if got := strings.Count(out.String(), "\n"); got != lines {
			t.Errorf("level %q writes %d lines, want %d", level, got, lines)
		}
	}
	for _, level := range []string{"trace", "info+1", "\x1b"} {
		if _, err := Logger(io.Discard, level); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("Logger(%q) = %v, want ErrInvalid", level, err)
		}
	}
}

// Text, as to a terminal, keeps what a terminal would obey in quotes.
func TestTextIsQuoted(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	log, err := Logger(null, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := log.Handler().(*slog.TextHandler); !ok {
		t.Errorf("a character device gets %T", log.Handler())
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("\x1b[2J", "tag", "a\u009b31m\u202e\x7f")
	if strings.ContainsAny(out.String(), "\x1b\x7f\u009b\u202e") {
		t.Errorf("raw control characters in %q", out.String())
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\u009b\x7f")
	f.Add("\xff\xfe\u202e\U000e0041")
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(printable{&out}, nil)).Info("m", "s", s)
		var record struct{ S string }
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatalf("%v in %q", err, out.String())
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ToValidUTF8(strings.ReplaceAll(record.S, "\ufffd", ""), "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("%q became %q", s, record.S)
		}
	})
}
