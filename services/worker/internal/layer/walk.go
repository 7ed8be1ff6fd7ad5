package layer

import (
	"archive/tar"
	"bufio"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

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
	Visit(path string, h *Header, body io.Reader) error
	// Ignore is called instead for an entry that names nothing inside the image, or breaks a limit.
	Ignore(reason string)
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

// Walk reads all of src, and shows each entry to v. It returns ErrIntegrity when the bytes do not have the blob's digest and
// size (ErrDigest too when the size was right); ErrLimit when the blob is said to be too large to read; the reader's own error
// when the bytes did not all come; the visitor's error. In all these cases what the visitor saw is void. Else the bytes are the
// ones asked for, and faults of theirs are told by Result.Read: reading them again would give the same.
func Walk(src *Source, lim Limits, v Visitor) (Result, error) {
	if err := lim.Check(src.want); err != nil {
		return Result{}, err
	}
	res, err := Read(src, src.want.Size, lim, v, nil)
	if serr := src.Err(); serr != nil {
		return Result{}, serr
	}
	if err != nil {
		return Result{}, err
	}
	return res, src.Verify()
}

// Check refuses a blob that is said to be too large to read.
func (l Limits) Check(b Blob) error {
	if b.Size > l.Compressed {
		return fmt.Errorf("layer %s: %w: more than %d bytes", b.Digest.Short(), plimsoll.ErrLimit, l.Compressed)
	}
	return nil
}

// Read inflates a layer of the given compressed size and visits its entries, to the last byte of r. Nothing is verified: who
// feeds r does that. Faults of the bytes are in the result; an error is the visitor's. An error of r itself shows as a fault, so
// who feeds r must know of it and drop the result. inflated, which may be nil, is told how far it is.
func Read(r io.Reader, size int64, lim Limits, v Visitor, inflated *atomic.Int64) (Result, error) {
	raw := bufio.NewReaderSize(r, bufferBytes)
	if inflated == nil {
		inflated = new(atomic.Int64)
	}
	res, err := read(raw, size, lim, v, inflated)
	if err != nil {
		return Result{}, err
	}
	// What follows the tar, or a fault in it, still counts for the digest.
	_, _ = io.Copy(io.Discard, raw)
	res.Size = size
	return res, nil
}

func read(raw *bufio.Reader, size int64, lim Limits, v Visitor, progress *atomic.Int64) (Result, error) {
	inflated, done, err := inflate(raw, lim.Window)
	if err != nil {
		return Result{Read: plimsoll.Failed(reason(err))}, nil
	}
	defer done()
	ts := newTarStream(inflated, size, lim, progress)
	w := walker{tar: entries{s: ts}, lim: lim, visitor: v}
	fault := w.walk()
	if w.stopped != nil {
		return Result{}, w.stopped
	}
	ts.drain() // the padding after the end mark belongs to the diff ID; so does what follows a broken header
	res := Result{Inflated: ts.n, Entries: w.entries, Read: plimsoll.Complete()}
	if ts.err == nil {
		res.DiffID = plimsoll.DiffID("sha256:" + hex.EncodeToString(ts.hash.Sum(nil)))
	}
	if fault = errors.Join(ts.err, w.limit, fault); fault != nil {
		res.Read = plimsoll.Partial(reason(fault))
	}
	return res, nil
}

// reason is one line; of several faults the first is the cause and the others follow from it.
func reason(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// nothing is the content of entries without one.
var nothing io.Reader = strings.NewReader("")

// walker goes through one tar.
type walker struct {
	tar     entries
	lim     Limits
	visitor Visitor
	entries int
	limit   error // the first limit that an entry broke
	stopped error // the visitor's error
}

// walk returns a fault of the tar, nil at its end.
func (w *walker) walk() error {
	for {
		h, err := w.tar.next()
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

func (w *walker) entry(h *Header) error {
	if why := w.tooLong(h); why != "" {
		w.visitor.Ignore(why)
		w.limit = cmp.Or(w.limit, fmt.Errorf("%w: %s", plimsoll.ErrLimit, why))
		return nil
	}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil // metadata of the archive, no entry
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return w.visitor.Visit(Clean(h.Name), h, &w.tar)
	}
	return w.visitor.Visit(Clean(h.Name), h, nothing)
}

func (w *walker) tooLong(h *Header) string {
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
