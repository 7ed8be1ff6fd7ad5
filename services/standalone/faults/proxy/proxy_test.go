package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// echo is a server that says back each line that it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

func newLink(t *testing.T, target string) *Link {
	t.Helper()
	k, err := NewLink(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(c net.Conn, line string) (string, error) {
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSuffix(got, "\n"), err
}

func TestLink(t *testing.T) {
	t.Parallel()
	k := newLink(t, "")
	if _, err := say(dial(t, k.Address()), "x"); err == nil {
		t.Error("a link without a target answered")
	}
	k.Aim(echo(t))
	c := dial(t, k.Address())
	if got, err := say(c, "hello"); err != nil || got != "hello" {
		t.Errorf("relayed %q, %v, want hello", got, err)
	}
	k.Refuse(true)
	if _, err := say(c, "again"); err == nil {
		t.Error("a connection outlived Refuse")
	}
	k.Refuse(false)
	k.Cut(3)
	if got, err := say(dial(t, k.Address()), "hello"); err == nil {
		t.Errorf("a cut connection said %q", got)
	}
	s := k.Stats()
	if s.Connections != 3 || s.Refused != 1 || s.Cut != 2 || s.Up != 12 || s.Down != 6 {
		t.Errorf("stats = %+v, want 3 connections, 1 refused, 2 cut, 12 bytes up, 6 down", s)
	}
}

func TestLinkHolds(t *testing.T) {
	t.Parallel()
	k := newLink(t, echo(t))
	c := dial(t, k.Address())
	if _, err := say(c, "before"); err != nil {
		t.Fatal(err)
	}
	k.Hold(false, true)
	got := make(chan string, 1)
	go func() {
		answer, err := say(c, "held")
		got <- fmt.Sprint(answer, err)
	}()
	for deadline := time.Now().Add(time.Minute); k.Stats().Held == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing was held")
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case g := <-got:
		t.Fatalf("a held answer arrived: %s", g)
	default:
	}
	k.Heal()
	if g := <-got; g != "held<nil>" {
		t.Errorf("after the hold %q, want what was held", g)
	}
}

func newFront(t *testing.T, next http.Handler) *Front {
	t.Helper()
	f, err := NewFront(next)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func get(address, path string) (int, string, error) {
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestFront(t *testing.T) {
	t.Parallel()
	inner := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host+r.URL.Path) }))
	f := newFront(t, Relay(inner.Address))
	if status, body, err := get(f.Address(), "/a"); err != nil || status != http.StatusOK || body != f.Address()+"/a" {
		t.Errorf("relayed %d %q %v, want the host that the client wrote", status, body, err)
	}
	all := func(*http.Request) bool { return true }
	var s Struck
	f.Bend(AnswerWith(&s, 1, all, http.StatusServiceUnavailable, nil, "slow down"))
	if status, body, _ := get(f.Address(), "/b"); status != http.StatusServiceUnavailable || body != "slow down" {
		t.Errorf("answered %d %q, want 503", status, body)
	}
	if status, _, _ := get(f.Address(), "/b"); status != http.StatusOK {
		t.Errorf("answered %d after the budget, want 200", status)
	}
	before := inner.Tally().Requests
	f.Bend(LoseAnswer(&s, 1, all))
	if _, _, err := get(f.Address(), "/c"); err == nil && inner.Tally().Requests == before+1 {
		t.Error("an answer that was lost arrived")
	}
	if got := inner.Tally().Requests; got <= before {
		t.Error("the request whose answer is lost did not reach the server")
	}
	if s.Count() != 2 {
		t.Errorf("struck %d times, want 2", s.Count())
	}
	if tally := f.Tally(); tally.Answers[http.StatusServiceUnavailable] != 1 || tally.Paths["GET /a"] != 1 || tally.Bytes["/a"] == 0 {
		t.Errorf("tally = %+v", tally)
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	g := NewGate(1, 4, func(*http.Request) bool { return true })
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1234567890") }))
	f.Bend(g.Fault)
	got := make(chan string, 1)
	go func() {
		_, body, err := get(f.Address(), "/layer")
		got <- fmt.Sprint(body, err)
	}()
	<-g.Reached
	if n := f.Tally().Open["GET /layer"]; n != 1 {
		t.Errorf("%d requests in hand, want the held one", n)
	}
	g.Open()
	if body := <-got; body != "1234567890<nil>" {
		t.Errorf("got %q, want it whole", body)
	}
}
