package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// gcPercent lets garbage grow to thrice what lives, which is a few megabytes for an honest layer; the memory limit (confine) holds
// it down for others.
const gcPercent = 200

// Main is the child's whole program. It ends when its input does.
func Main() int {
	c := newServer()
	c.work = c.facts
	return c.main()
}

func newServer() *server {
	analyze.Quiet()
	return &server{
		in: bufio.NewReaderSize(os.Stdin, 2*(maxData+frameHeader)), out: bufio.NewWriterSize(os.Stdout, maxData), board: openBoard(),
	}
}

func (c *server) main() int {
	debug.SetGCPercent(gcPercent)
	if err := c.serve(hello{Missing: confine()}); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "plimsoll-analyse:", err)
		return 1
	}
	return 0
}

// server reads jobs and answers them.
type server struct {
	in    *bufio.Reader
	out   *bufio.Writer
	board *board
	work  func(Job, io.Reader) ([]plimsoll.Facts, error)
}

func (c *server) serve(h hello) error {
	if err := c.send(frameHello, h); err != nil {
		return err
	}
	for {
		kind, content, err := readFrame(c.in)
		if err != nil {
			return err
		}
		var j Job
		if kind != frameJob || json.Unmarshal(content, &j) != nil {
			return fmt.Errorf("frame %q: %w: want a job", kind, plimsoll.ErrInvalid)
		}
		if err := c.job(j); err != nil {
			return err
		}
	}
}

func (c *server) send(kind byte, v any) error {
	if err := writeJSON(c.out, kind, v); err != nil {
		return err
	}
	return c.out.Flush()
}

// job analyses one blob and sends its facts. A panic that got through to here says that the child cannot be trusted any more.
func (c *server) job(j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = errors.Join(c.send(frameDone, done{Panic: fmt.Sprint(p)}), errPanic)
		}
	}()
	c.board.reset()
	blob := &content{in: c.in}
	facts, err := c.work(j, blob)
	if derr := blob.drain(); derr != nil {
		return derr
	}
	if err != nil {
		return c.send(frameDone, done{Error: err.Error()})
	}
	for _, f := range facts {
		if err := c.keep(f); err != nil {
			return err
		}
	}
	return c.send(frameDone, done{})
}

var errPanic = errors.New("panic")

func (c *server) facts(j Job, r io.Reader) ([]plimsoll.Facts, error) {
	blob := layer.Blob{Digest: j.Digest, Size: j.Size}
	session, err := analyze.New(context.Background(), j.Analyzers, analyze.Options{Stage: c.board.stage(), Key: j.Key})
	if err != nil {
		return nil, err
	}
	if j.Kind == KindConfig {
		b, err := io.ReadAll(io.LimitReader(r, maxConfig))
		if err != nil {
			return nil, err
		}
		return session.Configuration(blob, b), nil
	}
	res, err := layer.Read(r, j.Size, j.Limits, session, c.board.inflated())
	if err != nil {
		return nil, err
	}
	return session.Facts(blob, res), nil
}

// maxConfig is what a resolved image's configuration may have.
const maxConfig = 4 << 20

// keep sends one analyser's facts.
func (c *server) keep(f plimsoll.Facts) error {
	stored, sum, err := seal(f)
	if err != nil {
		return fmt.Errorf("facts of %s: %w", f.Analyzer.Name, err)
	}
	return factsFrame(c.out, Facts{Analyzer: f.Analyzer, Read: f.Read, Sum: sum, Sealed: stored})
}

// seal makes the object of facts. A tree of millions of entries is written as it is encoded: in memory it would stand thrice.
func seal(f plimsoll.Facts) (stored []byte, sum string, err error) {
	var packed plimsoll.TreeEntries
	if f.Tree != nil {
		tree := *f.Tree
		packed, tree.Entries, f.Tree = tree.Entries, plimsoll.TreeEntries{}, &tree
	}
	b, err := json.Marshal(f)
	if err != nil {
		return nil, "", err
	}
	b = append(b, '\n')
	// The place of the entries: a string of the layer's own would have its quotes escaped.
	before, after, _ := bytes.Cut(b, []byte(emptyEntries))
	if packed == nil {
		before, after = b, nil
	} else {
		before = b[:len(before)+len(emptyEntries)-1]
		after = append([]byte{'"'}, after...)
	}
	w, err := sealed.NewWriter(int64(len(before)) + int64(base64.StdEncoding.EncodedLen(len(packed))) + int64(len(after)))
	if err != nil {
		return nil, "", err
	}
	if _, err := w.Write(before); err != nil {
		return nil, "", err
	}
	if err := encode(w, packed); err != nil {
		return nil, "", err
	}
	if _, err := w.Write(after); err != nil {
		return nil, "", err
	}
	return w.Close()
}

// emptyEntries is how a tree without entries stands in JSON.
const emptyEntries = `"entries":""`

// encode writes base64 in pieces of a size that needs no padding but at the end.
func encode(w io.Writer, b []byte) error {
	const piece = 48 << 10 // a multiple of three
	text := make([]byte, base64.StdEncoding.EncodedLen(min(piece, len(b))))
	for len(b) > 0 {
		n := min(len(b), piece)
		out := text[:base64.StdEncoding.EncodedLen(n)]
		base64.StdEncoding.Encode(out, b[:n])
		if _, err := w.Write(out); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// content is the blob within the frames of one job.
type content struct {
	in    *bufio.Reader
	left  int // of the frame
	ended bool
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		kind, n, err := readHeader(c.in)
		switch {
		case err != nil:
			return 0, err
		case kind == frameEnd:
			c.ended = true
		case kind != frameData:
			return 0, fmt.Errorf("frame %q: %w: want data", kind, plimsoll.ErrInvalid)
		}
		c.left = n
	}
	n, err := c.in.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// drain passes over what nobody read.
func (c *content) drain() error {
	_, err := io.Copy(io.Discard, c)
	return err
}
