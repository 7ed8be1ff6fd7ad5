package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newFinder(t testing.TB) *Finder {
	t.Helper()
	f, err := New([]byte(strings.Repeat("k", KeyLen)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func find(t testing.TB, f *Finder, text string) []Hit {
	t.Helper()
	hits, reason, err := f.Find(t.Context(), []byte(text))
	if err != nil || reason != "" {
		t.Fatalf("Find: reason %q, error %v; want neither", reason, err)
	}
	return hits
}

// TestSamples finds each made-up secret, among other text, by the right rule at the right line, and nothing else.
func TestSamples(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	before, after := "first line\nsecond = \"line\"\n\n", "\nlast line"
	for i, s := range samples(t, 1) {
		t.Run(fmt.Sprintf("%s %d", s.rule, i), func(t *testing.T) {
			t.Parallel()
			hits := find(t, f, before+s.text+after)
			want := []Hit{{Rule: s.rule, Line: 4 + s.line, Fingerprint: f.fingerprint(s.rule, s.value), Last4: s.value[len(s.value)-4:]}}
			if diff := cmp.Diff(want, hits); diff != "" {
				t.Errorf("hits differ (-want +got):\n%s\nin:\n%s", diff, s.text)
			}
			if shown := fmt.Sprintf("%+v", hits); strings.Contains(shown, s.value) {
				t.Errorf("a hit shows the value: %s", shown)
			}
		})
	}
}

// TestRules holds that every rule and every literal has a sample, so that TestSamples and TestSieve speak for all.
func TestRules(t *testing.T) {
	t.Parallel()
	f, all := newFinder(t), samples(t, 1)
	literals := 0
	for _, r := range f.rules {
		for _, l := range r.literals {
			literals++
			l.check = nil
			if !slices.ContainsFunc(all, func(s sample) bool {
				return (s.rule == r.name || slices.Contains(r.also, s.rule)) && holds(s.text, l)
			}) {
				t.Errorf("rule %s: no sample with the literal %q", r.name, l.text)
			}
		}
		if r.back > maxReach || r.ahead > maxReach {
			t.Errorf("rule %s: reaches %d back, %d ahead; want at most %d", r.name, r.back, r.ahead, maxReach)
		}
	}
	for _, name := range f.Rules() {
		if !slices.ContainsFunc(all, func(s sample) bool { return s.rule == name }) {
			t.Errorf("rule %s: no sample", name)
		}
	}
	if literals > 255 {
		t.Errorf("%d literals; the sieve's buckets are counted in a byte", literals)
	}
	if names := f.Rules(); len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("rules %q; want each name once", names)
	}
}

func holds(text string, l literal) bool {
	for i := range len(text) {
		if l.in([]byte(text), i) {
			return true
		}
	}
	return false
}

// TestSieve compares the finder with all detectors over the whole text: sieve, checks and windows must lose nothing and
// add nothing.
func TestSieve(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			text := mixed(t, seed, 48<<10)
			want := exhaustive(t, f, []byte(text))
			if len(want) < 20 {
				t.Fatalf("%d secrets in the text; want some to compare", len(want))
			}
			if diff := cmp.Diff(want, find(t, f, text)); diff != "" {
				t.Errorf("hits differ from an exhaustive search (-exhaustive +found):\n%s", diff)
			}
		})
	}
}

// exhaustive runs every detector over the whole text.
func exhaustive(t *testing.T, f *Finder, text []byte) []Hit {
	t.Helper()
	var all []match
	for i := range f.rules {
		found, err := guarded(&f.rules[i], text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	s := NewStream(f)
	s.take(text, 0, len(text), all)
	return s.hits
}

// mixed is text of about size bytes: words, near misses and secrets, on lines of all lengths.
func mixed(t testing.TB, seed uint64, size int) string {
	t.Helper()
	m, all := newMaker(seed), samples(t, seed)
	words := strings.Fields(`key_ token sk_ sk- cio precio disk_cache name user: password = "" AKIA SG. hf_ 00D eyJ .eyJ ://
		https://host/path http://joe@host/ azure_key Authorization: basic Bearer captcha secret private discord telegram mistral
		-----BEGIN CERTIFICATE----- -----BEGIN -----END storage az PRIVATE KEY----- { } [ ] client_secret refresh_token username`)
	var b strings.Builder
	for b.Len() < size {
		switch n := m.IntN(400); {
		case n < 2:
			b.WriteString("\n" + all[m.IntN(len(all))].text)
		case n < 12:
			b.WriteString(m.of(alnum+"+/_-", m.IntN(100)))
		case n < 50:
			b.WriteByte('\n')
		default:
			b.WriteString(words[m.IntN(len(words))])
		}
		if m.IntN(4) > 0 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func TestNewKey(t *testing.T) {
	t.Parallel()
	if _, err := New([]byte("short")); err == nil {
		t.Error("New with a short key: no error")
	}
}

// TestFingerprint: one value, one fingerprint; another key or another rule, another.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	other, err := New([]byte(strings.Repeat("o", KeyLen)))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := f.fingerprint("a", "value"), f.fingerprint("a", "value"); a != b || len(a) != 32 {
		t.Errorf("fingerprints %q and %q; want the same, of 32 digits", a, b)
	}
	if f.fingerprint("a", "value") == other.fingerprint("a", "value") || f.fingerprint("a", "value") == f.fingerprint("b", "value") {
		t.Error("the fingerprint does not depend on key and rule")
	}
}

func TestLast4(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": "", "abc": "", "hunter2": "2", "0123456789ab": "9ab", "0123456789abcdef": "cdef", "0123456789abcde\n": "cde.",
	} {
		if got := last4(value); got != want {
			t.Errorf("last4(%q) = %q; want %q", value, got, want)
		}
	}
}

// TestOneSecretOneHit: a token of an issuer within a URL or a header is reported by the issuer's rule alone.
func TestOneSecretOneHit(t *testing.T) {
	t.Parallel()
	f, token := newFinder(t), newMaker(3).checked("ghp_", 36)
	hits := find(t, f, "url = https://joe:"+token+"@github.com/a/b\n")
	if len(hits) != 1 || hits[0].Rule != "githubclassicpat" {
		t.Errorf("hits %+v; want one of githubclassicpat", hits)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	f, m := newFinder(t), newMaker(4)
	var b strings.Builder
	for range MaxHits + 500 {
		b.WriteString("hf_" + m.of(lower, 34) + "\n")
	}
	hits, reason, err := f.Find(t.Context(), []byte(b.String()))
	if want := "limit reached: more than 1000 secrets"; len(hits) != MaxHits || reason != want || err != nil {
		t.Errorf("%d hits, reason %q, error %v; want %d, %q", len(hits), reason, err, MaxHits, want)
	}
	if last := hits[len(hits)-1].Line; last != MaxHits {
		t.Errorf("last hit at line %d; want the first %d by place", last, MaxHits)
	}
}

// TestWork: a text that is all candidates is given up with the reason; the stream's next text is bounded as well.
func TestWork(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	s := NewStream(f)
	s.search.work = 1 << 10
	hostile := strings.Repeat("glpat-", 1<<12)
	for range 2 {
		if err := s.Write(t.Context(), []byte(hostile)); err != nil {
			t.Fatal(err)
		}
		if _, reason, err := s.Close(t.Context()); reason != errWork.Error() || err != nil {
			t.Errorf("reason %q, error %v; want %q", reason, err, errWork)
		}
	}
	if err := s.Write(t.Context(), []byte(samples(t, 6)[0].text)); err != nil {
		t.Fatal(err)
	}
	if hits, reason, err := s.Close(t.Context()); len(hits) != 1 || reason != "" || err != nil {
		t.Errorf("%d hits, reason %q, error %v after it; want an ordinary text to be searched", len(hits), reason, err)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	f.rules = append(f.rules, rule{
		name: "faulty", literals: exact("boom"), ahead: 10, detect: func(text []byte) []match { panic(string(text)) },
	})
	f.sieve = newSieve(f.rules)
	all := samples(t, 5)
	hits, reason, err := f.Find(t.Context(), []byte("boom\n"+all[0].text))
	if reason != "detector panicked: faulty" || len(hits) != 1 || err != nil {
		t.Errorf("%d hits, reason %q, error %v; want the other rule's hit and the fault", len(hits), reason, err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("shutting down")
	cancel(cause)
	if _, _, err := newFinder(t).Find(ctx, []byte("text")); !errors.Is(err, cause) {
		t.Errorf("error %v; want %v", err, cause)
	}
}
