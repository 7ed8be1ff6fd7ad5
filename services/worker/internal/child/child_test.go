package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// TestMain makes this test binary the child of its own tests, one that misbehaves on demand.
func TestMain(m *testing.M) {
	if Requested() {
		c := newServer()
		c.work = c.misbehave
		os.Exit(c.main())
	}
	os.Exit(m.Run())
}

// misbehave does what the job's digest asks for, and what a child should do otherwise.
func (c *server) misbehave(j Job, r io.Reader) ([]plimsoll.Facts, error) {
	stage := func() { *c.board.stage() = osDpkg }
	switch j.Digest {
	case "overflow":
		stage()
		return nil, overflow(0)
	case "panic":
		stage()
		panic("hostile bytes")
	case "thread panic":
		stage()
		go func() { panic("hostile bytes") }()
		select {}
	case "memory":
		stage()
		var hoard [][]byte
		for {
			hoard = append(hoard, bytes.Repeat([]byte{1}, 1<<20))
			runtime.KeepAlive(hoard)
		}
	case "exit":
		os.Exit(0)
	case "spin":
		stage()
		for i := 0; ; i++ {
			runtime.KeepAlive(i)
		}
	case "probe":
		return []plimsoll.Facts{{Read: plimsoll.Partial(strings.Join(probe(), ", "))}}, nil
	}
	return c.facts(j, r)
}

//nolint:staticcheck // endless on purpose
func overflow(n int) error { return fmt.Errorf("%w", overflow(n+1)) }

// osDpkg is the stage of the dpkg extractor.
var osDpkg = func() analyze.Stage {
	for n := range analyze.Stage(100) {
		if a, x := n.Load(); a == plimsoll.AnalyzerPackages && x == analyze.NameDpkg {
			return n
		}
	}
	panic("no stage for dpkg")
}()

// probe tells what a child can do besides its work.
func probe() (can []string) {
	try := func(what string, err error) {
		if err == nil {
			can = append(can, what)
		}
	}
	_, err := os.Open("/etc/hostname")
	try("open a file", err)
	try("write a file", os.WriteFile(filepath.Join(os.TempDir(), "plimsoll-probe"), nil, 0o600))
	_, err = net.Listen("tcp", "127.0.0.1:0")
	try("listen", err)
	_, err = net.Dial("tcp", "127.0.0.1:1")
	try("dial", err)
	try("run a program", exec.Command("/bin/true").Run())
	if len(os.Environ()) > 1 {
		can = append(can, "see an environment")
	}
	return can
}

func newTestPool(t *testing.T, path string) *Pool {
	t.Helper()
	p, err := NewPool(t.Context(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

var testKey = bytes.Repeat([]byte{7}, 32)

func jobOf(t *testing.T, b []byte) Job {
	t.Helper()
	lim := layer.DefaultLimits()
	secret, err := analyze.Secrets(lim, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return Job{
		Kind: KindLayer, Digest: plimsoll.DigestOf(b), Size: int64(len(b)), Limits: lim, Key: testKey,
		Analyzers: append(analyze.Analyzers(lim, nil), secret),
	}
}

// someLayer is a layer with something for each analyser.
func someLayer() []byte {
	key := "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n-----END RSA " + "PRIVATE KEY-----\n"
	files := imagetest.DebianLike("12", imagetest.Package{Name: "libc6", Version: "2.36-9"})
	files = append(files, imagetest.Text("root/key.pem", key), imagetest.File{Name: "usr/bin/run", Body: []byte("#!/bin/sh\n"), Mode: 0o4755})
	return imagetest.Layer(files...)
}

// built builds the real child.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "plimsoll-analyse")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, Program)
	cmd := exec.Command("go", "build", "-o", out, "github.com/plimsoll/plimsoll/services/worker/cmd/plimsoll-analyse")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return out, nil
})

// TestBothWays: a child beside the binary and the binary as its own child give the facts that this process would.
func TestBothWays(t *testing.T) {
	t.Parallel()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(path)) })
	b := someLayer()
	j := jobOf(t, b)
	want := inProcess(t, j, b)
	for name, path := range map[string]string{"beside": path, "itself": ""} {
		p := newTestPool(t, path)
		for range 2 { // a new child, and one that was used
			facts, err := p.Run(t.Context(), j, iotest.HalfReader(bytes.NewReader(b)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want, opened(t, facts)); diff != "" {
				t.Errorf("%s: facts differ (-here +child):\n%s", name, diff)
			}
		}
	}
}

func inProcess(t *testing.T, j Job, b []byte) (all []string) {
	t.Helper()
	s, err := analyze.New(t.Context(), j.Analyzers, analyze.Options{Key: j.Key})
	if err != nil {
		t.Fatal(err)
	}
	blob := layer.Blob{Digest: j.Digest, Size: j.Size}
	res, err := layer.Walk(layer.NewSource(t.Context(), bytes.NewReader(b), blob, nil), j.Limits, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Facts(blob, res) {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

func opened(t *testing.T, facts []Facts) (all []string) {
	t.Helper()
	for _, f := range facts {
		b, err := sealed.Open(f.Sealed, f.Sum)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimSpace(string(b)))
	}
	return all
}

// TestSeal: what is encoded in pieces is what the JSON encoder would write.
func TestSeal(t *testing.T) {
	t.Parallel()
	var w plimsoll.TreeWriter
	for i := range 100_000 {
		w.Append(plimsoll.TreeEntry{Path: fmt.Sprintf("a/%d", i), Type: plimsoll.EntryFile, Size: int64(i)})
	}
	ignored := map[string]int{`"entries":""`: 1}
	for _, f := range []plimsoll.Facts{
		{Layer: "x", Read: plimsoll.Partial(`"entries":""`), Tree: &plimsoll.TreeFacts{Count: w.Count, Entries: w.Entries, Ignored: ignored}},
		{Layer: "x", Tree: &plimsoll.TreeFacts{Entries: plimsoll.TreeEntries{}}},
		{Layer: "x", Packages: &plimsoll.PackageFacts{}},
	} {
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		stored, sum, err := seal(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sealed.Open(stored, sum)
		if err != nil || string(got) != string(want)+"\n" {
			t.Errorf("sealed %.200s, %v; want %.200s", got, err, want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	p := newTestPool(t, "")
	config := []byte(`{"config":{"Env":["PATH=/bin","GITLAB_TOKEN=gl` + "pat-" + strings.Repeat("a1B2", 5) + `"]}}`)
	j := jobOf(t, config)
	j.Kind = KindConfig
	facts, err := p.Run(t.Context(), j, bytes.NewReader(config))
	if err != nil || len(facts) != 1 {
		t.Fatalf("%d facts, %v", len(facts), err)
	}
	if got := opened(t, facts)[0]; !strings.Contains(got, "config:env:GITLAB_TOKEN") || strings.Contains(got, "a1B2a1B2") {
		t.Errorf("facts %s; want the variable's name, and not its value", got)
	}
}

// TestFaults: whatever kills a child is told with the extractor's name, and the next job gets another child.
func TestFaults(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("children are watched on Linux alone")
	}
	p := newTestPool(t, "")
	b := someLayer()
	dpkg := func(what string) Fault { return Fault{plimsoll.AnalyzerPackages, analyze.NameDpkg, what, ""} }
	for do, want := range map[plimsoll.Digest]Fault{
		"overflow":     dpkg("crashed: stack overflow"),
		"panic":        dpkg("crashed: panic"),
		"thread panic": dpkg("crashed: panic"),
		"memory":       dpkg("more memory than 512 MiB"),
		"exit":         {What: "crashed", End: "exit status 0"},
	} {
		t.Run(string(do), func(t *testing.T) {
			t.Parallel()
			j := jobOf(t, b)
			j.Digest = do
			_, err := p.Run(t.Context(), j, bytes.NewReader(b))
			var got *Fault
			if !errors.As(err, &got) {
				t.Fatalf("Run = %v, want %+v", err, want)
			}
			if got.Analyzer != "" {
				got.End = "" // by itself or by its worker, as it happens
			}
			if *got != want {
				t.Errorf("Run = %+v, want %+v", got, want)
			}
			if facts, err := p.Run(t.Context(), jobOf(t, b), bytes.NewReader(b)); err != nil || len(facts) != 4 {
				t.Errorf("the next job gave %d facts, %v", len(facts), err)
			}
		})
	}
}

// TestProcessorTime: what spins is killed when it took more than its bytes justify. Its allowance is made small for the test.
func TestProcessorTime(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("children are watched on Linux alone")
	}
	c := &process{board: ownBoard()}
	if why := c.excess(os.Getpid(), cost{cpu: -cpuBase}); why == "" && usageOf(t).cpu > 0 {
		t.Error("more than the allowance was not noticed")
	}
	if why := c.excess(os.Getpid(), usageOf(t)); why != "" {
		t.Errorf("excess = %q of a process that just began", why)
	}
	c.board.inflated().Store(1 << 40)
	if why := c.excess(os.Getpid(), cost{cpu: -cpuBase}); why != "" {
		t.Errorf("excess = %q although the bytes justify it", why)
	}
}

func usageOf(t *testing.T) cost {
	t.Helper()
	c, ok := usage(os.Getpid())
	if !ok || c.memory <= 0 {
		t.Fatalf("usage = %+v, %v", c, ok)
	}
	return c
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	p := newTestPool(t, "")
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	j := jobOf(t, nil)
	j.Digest = "spin"
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write([]byte("x")) // the job has reached the child
		cancel(gone)
		_ = w.CloseWithError(gone)
	}()
	if _, err := p.Run(ctx, j, r); !errors.Is(err, gone) {
		t.Errorf("Run = %v, want %v", err, gone)
	}
}

// TestKilledWhileIdle: a child that died between two jobs is nobody's fault, nor is one whose caller goes away as its job ends: the
// kill comes when the next job may have begun.
func TestKilledWhileIdle(t *testing.T) {
	t.Parallel()
	p := newTestPool(t, "")
	b := someLayer()
	next := func() {
		t.Helper()
		if facts, err := p.Run(t.Context(), jobOf(t, b), bytes.NewReader(b)); err != nil || len(facts) != 4 {
			t.Fatalf("the next job gave %d facts, %v", len(facts), err)
		}
	}
	p.idle[0].kill()
	<-p.idle[0].exit
	next()
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		ends := readerFunc(func([]byte) (int, error) {
			time.AfterFunc(time.Duration(i)*200*time.Microsecond, cancel) // before, while and after it answers
			return 0, io.EOF
		})
		if _, err := p.Run(ctx, jobOf(t, b), io.MultiReader(bytes.NewReader(b), ends)); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		next()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestSourceFails: a connection that breaks is told as what it is, and leaves no facts.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	p := newTestPool(t, "")
	b, broken := someLayer(), errors.New("connection reset")
	facts, err := p.Run(t.Context(), jobOf(t, b), io.MultiReader(bytes.NewReader(b[:1000]), iotest.ErrReader(broken)))
	var fault *Fault
	if !errors.Is(err, broken) || errors.As(err, &fault) || facts != nil {
		t.Errorf("Run = %d facts, %v; want %v", len(facts), err, broken)
	}
}

// TestConfined: a child can neither open nor make files, nor reach a network, nor start programs.
func TestConfined(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("children are confined on Linux alone")
	}
	p := newTestPool(t, "")
	j := jobOf(t, nil)
	j.Digest = "probe"
	facts, err := p.Run(t.Context(), j, bytes.NewReader(nil))
	if err != nil || len(facts) != 1 {
		t.Fatalf("%d facts, %v", len(facts), err)
	}
	if can := facts[0].Read.Reason; can != "" {
		t.Errorf("the child can %s", can)
	}
}

// TestManyAtOnce: each job has its own child, and children are kept for the next.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newTestPool(t, "")
	b := someLayer()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if facts, err := p.Run(t.Context(), jobOf(t, b), bytes.NewReader(b)); err != nil || len(facts) != 4 {
					t.Errorf("%d facts, %v", len(facts), err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(p.idle); n == 0 || n > 4 {
		t.Errorf("%d idle children after 4 at once", n)
	}
}

// FuzzAnswers: whatever a child writes is an answer or an error.
func FuzzAnswers(f *testing.F) {
	var b bytes.Buffer
	if err := errors.Join(factsFrame(&b, Facts{Sum: "x", Sealed: []byte("y")}), writeJSON(&b, frameDone, done{})); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("F\x04\x00\x00\x00\xff\xff\xff\xff"))
	f.Add([]byte("X\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &process{out: bufio.NewReader(bytes.NewReader(b))}
		if facts, err := c.answers(); err == nil && len(facts) > len(b) {
			t.Errorf("%d facts of %d bytes", len(facts), len(b))
		}
	})
}
