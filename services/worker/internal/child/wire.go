package child

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// Frames on the pipes: a kind, four bytes of length (little endian), the content.
const (
	// To the child.
	frameJob  = 'J' // a Job in JSON
	frameData = 'D' // the next bytes of the blob
	frameEnd  = 'E' // there are no more
	// From the child.
	frameHello  = 'H' // a hello in JSON, once at the start
	frameFacts  = 'F' // one analyser's facts: four bytes of length, a header in JSON, the sealed object
	frameDone   = 'X' // the job is done: a done in JSON
	frameHeader = 5
)

const (
	// maxFrame bounds what is believed of a length: sealed facts of the largest layer that limits allow have some 100 MB.
	maxFrame = 256 << 20
	// maxData is the content of one data frame: it fits into a pipe, whose size we raise to pipeBytes.
	maxData   = 64<<10 - frameHeader
	pipeBytes = 1 << 20
)

// Kinds of jobs.
const (
	KindLayer  = "layer"
	KindConfig = "config" // an image configuration, read by the secrets analyser alone
)

// Job is one blob to analyse.
type Job struct {
	Kind      string              `json:"kind"`
	Digest    plimsoll.Digest     `json:"digest"`
	Size      int64               `json:"size"`
	Analyzers []plimsoll.Analyzer `json:"analyzers"`
	Limits    layer.Limits        `json:"limits"`
	Key       []byte              `json:"key,omitempty"` // of fingerprints, for the secrets analyser
}

// Facts are one analyser's facts of a blob, as they are to be stored. Of what they say only Read is known here.
type Facts struct {
	Analyzer plimsoll.Analyzer `json:"analyzer"`
	Read     plimsoll.Coverage `json:"read"`
	Sum      string            `json:"sum"` // of the object's bytes, hexadecimal sha256
	Sealed   []byte            `json:"-"`   // the object
}

// hello tells how the child is confined; Missing says what the kernel did not allow.
type hello struct {
	Missing []string `json:"missing,omitempty"`
}

// done ends a job. Panic is a panic that was caught: the child ends then.
type done struct {
	Panic string `json:"panic,omitempty"`
	Error string `json:"error,omitempty"` // a job of the wrong form
}

// writeFrame writes one frame whose content is in parts.
func writeFrame(w io.Writer, kind byte, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	head := [frameHeader]byte{kind}
	binary.LittleEndian.PutUint32(head[1:], uint32(size))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(w io.Writer, kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, kind, b)
}

// readHeader reads a frame's kind and length.
func readHeader(r *bufio.Reader) (kind byte, size int, err error) {
	var head [frameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, 0, fmt.Errorf("frame %q of %d bytes: %w: more than %d", head[0], n, plimsoll.ErrLimit, maxFrame)
	}
	return head[0], int(n), nil
}

// readFrame reads a whole frame.
func readFrame(r *bufio.Reader) (kind byte, content []byte, err error) {
	kind, n, err := readHeader(r)
	if err != nil {
		return 0, nil, err
	}
	content = make([]byte, n)
	_, err = io.ReadFull(r, content)
	return kind, content, err
}

func factsFrame(w io.Writer, f Facts) error {
	head, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return writeFrame(w, frameFacts, binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head, f.Sealed)
}

func parseFacts(b []byte) (f Facts, err error) {
	if len(b) < 4 || int(binary.LittleEndian.Uint32(b)) > len(b)-4 {
		return f, fmt.Errorf("facts frame: %w: cut short", plimsoll.ErrInvalid)
	}
	n := 4 + int(binary.LittleEndian.Uint32(b))
	if err := json.Unmarshal(b[4:n], &f); err != nil {
		return f, fmt.Errorf("facts frame: %w: %w", plimsoll.ErrInvalid, err)
	}
	f.Sealed = b[n:]
	return f, nil
}
