package gunzip

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestHandStreams(t *testing.T) {
	t.Parallel()
	for _, s := range handStreams() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			out, err := ours(bytes.NewReader([]byte(s.in)))
			if string(out) != s.out {
				t.Errorf("output: got %q, want %q", out, s.out)
			}
			if !errors.Is(err, s.err) || err == nil && s.err != nil {
				t.Errorf("error: got %v, want %v", err, s.err)
			}
			if s.text != "" && err != nil && err.Error() != s.text {
				t.Errorf("text: got %q, want %q", err, s.text)
			}
			if std, stdErr := standard([]byte(s.in)); !s.lenient && (!bytes.Equal(std, out) || kind(stdErr) != kind(err)) {
				t.Errorf("compress/gzip: got %q, %v; ours %q, %v", std, stdErr, out, err)
			}
			checkChunks(t, []byte(s.in), out, err)
			checkFollowed(t, s)
		})
	}
}

// checkFollowed puts more input behind a stream, so that the quick loop has enough of it to run: a good stream is then
// followed by itself, a corrupt one fails as before.
func checkFollowed(t *testing.T, s handStream) {
	t.Helper()
	switch {
	case s.err == nil:
		out, err := ours(strings.NewReader(strings.Repeat(s.in, 20)))
		compareResult(t, "twenty times", out, err, []byte(strings.Repeat(s.out, 20)), nil)
	case errors.Is(s.err, ErrCorrupt):
		out, err := ours(strings.NewReader(s.in + strings.Repeat("\x00", 100)))
		if string(out) != s.out || err == nil || s.text != err.Error() {
			t.Errorf("followed: got %q, %v; want %q, %s", out, err, s.out, s.text)
		}
	}
}

// TestLevels round-trips data of several kinds and sizes at all levels, as one member and as several.
func TestLevels(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(int) []byte{"text": text, "noise": noise, "zeros": func(n int) []byte { return make([]byte, n) }}
	for name, data := range kinds {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			t.Run(fmt.Sprint(name, level), func(t *testing.T) {
				t.Parallel()
				var in, want []byte
				for _, n := range []int{0, 1, 258, 32 << 10, pieceSize + windowSize, 500_000} {
					in, want = append(in, compress(t, data(n), level)...), append(want, data(n)...)
				}
				out, err := ours(bytes.NewReader(in))
				if err != nil || !bytes.Equal(out, want) {
					t.Errorf("got %d bytes, %v; want %d", len(out), err, len(want))
				}
			})
		}
	}
}

// TestCuts cuts streams at each byte: what is decodable before comes out, and the verdict is compress/gzip's. The same
// holds where the source fails instead of ending, with its own error.
func TestCuts(t *testing.T) {
	t.Parallel()
	errSource := errors.New("the source failed")
	for _, in := range seeds(t) {
		for n := 0; n < len(in); n += 1 + n/12 {
			out, err := ours(bytes.NewReader(in[:n]))
			want, wantErr := standard(in[:n])
			if wantErr == stdgzip.ErrHeader && hasRun(in[:n]) {
				continue
			}
			if !bytes.Equal(out, want) || kind(err) != kind(wantErr) {
				t.Fatalf("cut at %d: got %d bytes, %v; want %d, %v", n, len(out), err, len(want), wantErr)
			}
			failed, failErr := ours(io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(errSource)))
			if !bytes.Equal(failed, out) {
				t.Fatalf("failure at %d: got %d bytes, want %d", n, len(failed), len(out))
			}
			if err == io.ErrUnexpectedEOF || err == nil {
				err = errSource
			}
			if failErr != err {
				t.Fatalf("failure at %d: got %v, want %v", n, failErr, err)
			}
		}
	}
}

// TestFlips changes single bits.
func TestFlips(t *testing.T) {
	t.Parallel()
	for i, in := range seeds(t) {
		r := rand.New(rand.NewPCG(3, uint64(i)))
		for range 30 {
			bad := bytes.Clone(in)
			if len(bad) > 0 {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			checkStandard(t, bad)
		}
	}
}

// TestChunks compares the ways to feed a long stream and to read from it, whole and damaged in the middle.
func TestChunks(t *testing.T) {
	t.Parallel()
	in := bytes.Join([][]byte{compress(t, text(400_000), 6), compress(t, noise(100_000), 6), compress(t, text(300_000), flate.HuffmanOnly)}, nil)
	bad := bytes.Clone(in)
	bad[len(bad)/2] ^= 0x10
	for _, data := range [][]byte{in, bad, in[:len(in)/3]} {
		out, err := ours(bytes.NewReader(data))
		checkChunks(t, data, out, err)
	}
}

// checkChunks feeds data in other chunks and reads in other pieces: output and error text must not change.
func checkChunks(t *testing.T, data, want []byte, wantErr error) {
	t.Helper()
	whole := func() io.Reader { return bytes.NewReader(data) }
	sources := map[string]io.Reader{
		"whole":         whole(),
		"1 byte":        iotest.OneByteReader(whole()),
		"7 bytes":       &chunks{r: whole(), size: func() int { return 7 }},
		"random":        &chunks{r: whole(), size: randomSize()},
		"half":          iotest.HalfReader(whole()),
		"end with data": iotest.DataErrReader(whole()),
	}
	for name, src := range sources {
		out, err := ours(src)
		compareResult(t, name, out, err, want, wantErr)
	}
	for _, size := range []int{1, 7, 4096, 1 << 20} {
		var out bytes.Buffer
		_, err := io.CopyBuffer(&out, struct{ io.Reader }{NewReader(whole())}, make([]byte, size))
		compareResult(t, fmt.Sprintf("Read of %d", size), out.Bytes(), err, want, wantErr)
	}
}

func compareResult(t *testing.T, name string, out []byte, err error, want []byte, wantErr error) {
	t.Helper()
	if !bytes.Equal(out, want) {
		t.Errorf("%s: got %d bytes, want %d", name, len(out), len(want))
	}
	if diff := cmp.Diff(fmt.Sprint(wantErr), fmt.Sprint(err)); diff != "" {
		t.Errorf("%s: error (-want +got):\n%s", name, diff)
	}
}

// chunks gives at most size() bytes a Read, at times none.
type chunks struct {
	r    io.Reader
	size func() int
}

func (c *chunks) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.size())]) }

func randomSize() func() int {
	r := rand.New(rand.NewPCG(4, 4))
	return func() int { return r.IntN(3000) }
}

// TestEmptyMembers: a million empty members are read in a loop, not by recursion (CVE-2022-30631), without memory.
func TestEmptyMembers(t *testing.T) {
	t.Parallel()
	const members = 1_000_000
	one := []byte(member(bw().fixed(1).lit(256), ""))
	n, err := NewReader(&repeat{data: one, left: members * len(one)}).WriteTo(io.Discard)
	if n != 0 || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// TestEndlessName: a name without an end is read to the source's end in flat memory.
func TestEndlessName(t *testing.T) {
	t.Parallel()
	z := NewReader(io.MultiReader(bytes.NewReader([]byte(header(flagName))), &repeat{data: []byte("n"), left: 8 << 20}))
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.ErrUnexpectedEOF {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// repeat gives data over and over, left bytes in all.
type repeat struct {
	data []byte
	at   int
	left int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		c := copy(p[n:], r.data[r.at:min(len(r.data), r.at+r.left)])
		n, r.at, r.left = n+c, (r.at+c)%len(r.data), r.left-c
	}
	return n, nil
}

// TestAllocations: a Reader used again allocates nothing, whatever the stream.
func TestAllocations(t *testing.T) {
	in := append(compress(t, text(300_000), 6), compress(t, noise(1000), flate.HuffmanOnly)...)
	src, z, p := bytes.NewReader(in), NewReader(nil), make([]byte, 64<<10)
	got := testing.AllocsPerRun(20, func() {
		src.Reset(in)
		z.Reset(src)
		for {
			if _, err := z.Read(p); err != nil {
				break
			}
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations a stream, want 0", got)
	}
}

// TestReset: a Reader used again forgets the stream before, wherever that stopped.
func TestReset(t *testing.T) {
	t.Parallel()
	z := NewReader(nil)
	for _, in := range seeds(t) {
		want, wantErr := ours(bytes.NewReader(in))
		z.Reset(bytes.NewReader(in))
		if n, err := z.Read(nil); n != 0 || err != nil {
			t.Errorf("empty Read: got %d bytes, %v", n, err)
		}
		_, _ = z.Read(make([]byte, 10))
		z.Reset(bytes.NewReader(in))
		var out bytes.Buffer
		_, err := z.WriteTo(&out)
		compareResult(t, "again", out.Bytes(), err, want, wantErr)
		if n, again := z.Read(make([]byte, 1)); n != 0 || again == nil {
			t.Errorf("after the end: got %d bytes, %v", n, again)
		}
	}
}

// TestPieces: WriteTo hands out pieces of 32 KiB and more, but for the last.
func TestPieces(t *testing.T) {
	t.Parallel()
	var pieces pieces
	if _, err := NewReader(bytes.NewReader(compress(t, text(2<<20), 6))).WriteTo(&pieces); err != nil {
		t.Fatal(err)
	}
	for i, n := range pieces {
		if n < windowSize && i < len(pieces)-1 {
			t.Errorf("piece %d has %d bytes", i, n)
		}
	}
}

type pieces []int

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, len(b))
	return len(b), nil
}

// TestWriterFails: the writer's error comes back, a short write is one, and the rest is still there to be read.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	errWriter := errors.New("the writer failed")
	for name, tc := range map[string]struct {
		w    io.Writer
		want error
	}{
		"error": {iotest.TruncateWriter(failing{errWriter}, 5), errWriter},
		"short": {short{}, io.ErrShortWrite},
	} {
		z := NewReader(bytes.NewReader(compress(t, []byte("hello, layer"), 6)))
		n, err := z.WriteTo(tc.w)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
		rest, err := io.ReadAll(z)
		if err != nil || string(rest) != "hello, layer"[n:] {
			t.Errorf("%s: got the rest %q, %v after %d bytes", name, rest, err, n)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 2, f.err }

type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) - 1, nil }

// TestBadSources: sources that break io.Reader's contract end in an error, not in a loop or a panic.
func TestBadSources(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		n    int
		want error
	}{
		"nothing":  {0, io.ErrNoProgress},
		"negative": {-1, errSourceCount},
		"too many": {inSize + 1, errSourceCount},
	} {
		if _, err := ours(counts(tc.n)); err != tc.want {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

type counts int

func (c counts) Read([]byte) (int, error) { return int(c), nil }
