package layer

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Blob names the bytes to read, as the manifest does.
type Blob struct {
	Digest plimsoll.Digest
	Size   int64 // compressed bytes
}

// Visitor is called once for each entry of the tar, in its order. The path is clean ([Clean]); body holds h.Size bytes for
// files and none for others, and is not valid after the call. An error ends the walk and is returned by it.
type Visitor interface {
	Visit(path string, h *tar.Header, body io.Reader) error
	// Ignore is called instead for an entry that names nothing inside the image, or breaks a limit.
	Ignore(reason string)
}

// Options are what Walk's caller gives besides the bytes.
type Options struct {
	Limits Limits
	Count  func(n int) // called with compressed bytes as they are read; may be nil
}

// Result is what the bytes themselves tell. Read is complete; or partial, when a limit was hit or the tar or its compression
// is broken although the digest is right; or failed, when nothing could be read of a right blob.
type Result struct {
	DiffID   plimsoll.DiffID // empty when the tar could not be inflated to its end
	Size     int64
	Inflated int64
	Entries  int
	Read     plimsoll.Coverage
}

// ErrDigest is returned, with ErrIntegrity, when as many bytes came as the manifest says, but other ones: the registry's copy is
// damaged. A wrong length alone may be a lie of one manifest, which says nothing about the layer.
var ErrDigest = errors.New("the registry's copy of the layer is damaged")

// bufferBytes is one read of the connection: large enough that system calls do not count.
const bufferBytes = 64 << 10

// Walk reads all of r. It returns ErrIntegrity when the bytes do not have the blob's digest and size (ErrDigest too when the size
// was right); ErrLimit when the blob is said to be too large to read; the reader's own error when the bytes did not all come;
// the visitor's error. In all these cases what the visitor saw is void. Else the bytes are the
// ones asked for, and faults of theirs are told by Result.Read: reading them again would give the same.
func Walk(ctx context.Context, r io.Reader, want Blob, o Options, v Visitor) (Result, error) {
	if o.Count == nil {
		o.Count = func(int) {}
	}
	if want.Size > o.Limits.Compressed {
		return Result{}, fmt.Errorf("layer %s: %w: more than %d bytes", want.Digest.Short(), plimsoll.ErrLimit, o.Limits.Compressed)
	}
	src := &source{ctx: ctx, r: r, hash: sha256.New(), max: want.Size, count: o.Count}
	raw := bufio.NewReaderSize(src, bufferBytes)
	res, err := read(raw, src, o.Limits, v)
	if err != nil {
		return Result{}, err
	}
	// What follows the tar, or a fault in it, still counts for the digest.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return Result{}, fmt.Errorf("read layer: %w", err)
	}
	if src.n != want.Size {
		return Result{}, fmt.Errorf("layer %s: %w: %d bytes came, the manifest says %d", want.Digest.Short(), plimsoll.ErrIntegrity, src.n, want.Size)
	}
	if got := "sha256:" + hex.EncodeToString(src.hash.Sum(nil)); got != string(want.Digest) {
		return Result{}, fmt.Errorf("layer %s: %w: %w", want.Digest.Short(), plimsoll.ErrIntegrity, ErrDigest)
	}
	res.Size = src.n
	return res, nil
}

// read inflates and visits. Faults of the bytes are in the result; an error is the source's or the visitor's.
func read(raw *bufio.Reader, src *source, lim Limits, v Visitor) (Result, error) {
	inflated, done, err := inflate(raw, lim.Window)
	if err != nil {
		return failure(src, err)
	}
	defer done()
	ts := newTarStream(inflated, src.max, lim)
	w := walker{tar: tar.NewReader(ts), lim: lim, visitor: v}
	fault := w.walk()
	if w.stopped != nil {
		return Result{}, w.stopped
	}
	if fault == nil || ts.err == nil {
		// The padding after the end mark belongs to the diff ID; so does what follows a broken header.
		_, _ = io.Copy(io.Discard, ts)
	}
	if src.err != nil && src.err != io.EOF {
		return Result{}, fmt.Errorf("read layer: %w", src.err)
	}
	res := Result{Inflated: ts.n, Entries: w.entries, Read: plimsoll.Complete()}
	if ts.err == nil {
		res.DiffID = plimsoll.DiffID("sha256:" + hex.EncodeToString(ts.hash.Sum(nil)))
	}
	if fault = errors.Join(ts.err, w.limit, fault); fault != nil {
		res.Read = plimsoll.Partial(reason(fault))
	}
	return res, nil
}

// failure is the result of a stream that could not even be opened.
func failure(src *source, err error) (Result, error) {
	if src.err != nil && src.err != io.EOF {
		return Result{}, fmt.Errorf("read layer: %w", src.err)
	}
	return Result{Read: plimsoll.Failed(reason(err))}, nil
}

// reason is one line; of several faults the first is the cause and the others follow from it.
func reason(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// walker goes through one tar.
type walker struct {
	tar     *tar.Reader
	lim     Limits
	visitor Visitor
	entries int
	limit   error // the first limit that an entry broke
	stopped error // the visitor's error
}

// walk returns a fault of the tar, nil at its end.
func (w *walker) walk() error {
	for {
		h, err := w.tar.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tar: %w", err)
		}
		if w.entries++; w.entries > w.lim.Entries {
			return fmt.Errorf("%w: more than %d entries", plimsoll.ErrLimit, w.lim.Entries)
		}
		if err := w.entry(h); err != nil {
			w.stopped = err
			return err
		}
	}
}

func (w *walker) entry(h *tar.Header) error {
	if why := w.tooLong(h); why != "" {
		w.visitor.Ignore(why)
		w.limit = cmpOr(w.limit, fmt.Errorf("%w: %s", plimsoll.ErrLimit, why))
		return nil
	}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil // metadata of the archive, no entry
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return w.visitor.Visit(Clean(h.Name), h, w.tar)
	}
	return w.visitor.Visit(Clean(h.Name), h, strings.NewReader(""))
}

func (w *walker) tooLong(h *tar.Header) string {
	switch {
	case len(h.Name) > w.lim.Path:
		return fmt.Sprintf("path longer than %d bytes", w.lim.Path)
	case len(h.Linkname) > w.lim.Path:
		return fmt.Sprintf("link target longer than %d bytes", w.lim.Path)
	case len(h.Name) > w.lim.Depth && strings.Count(Clean(h.Name), "/") >= w.lim.Depth:
		return fmt.Sprintf("path deeper than %d", w.lim.Depth)
	}
	return ""
}

func cmpOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
