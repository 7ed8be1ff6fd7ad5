package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Blob streams a blob of size bytes (-1: unknown). A connection that breaks, stalls or crawls is replaced and reading goes
// on at the byte it had reached, within bounds; the last failure is then ErrUnavailable. A blob that is longer or shorter than
// size is ErrIntegrity. The bytes are not verified: whoever reads them hashes them.
//
// The context governs the whole reading, not only its start.
func (c *Client) Blob(ctx context.Context, repository string, digest plimsoll.Digest, size int64) (io.ReadCloser, error) {
	k, err := blobCall(repository, digest)
	if err != nil {
		return nil, err
	}
	b := &blobReader{c: c, ctx: ctx, call: k, size: size}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// blobReader is one blob being read, over as many connections as it takes.
type blobReader struct {
	c    *Client
	ctx  context.Context // of the whole reading: the reader is the one call it belongs to
	call call
	size int64 // -1: unknown

	body   io.ReadCloser
	cancel context.CancelCauseFunc // ends the present connection
	stream context.Context         // of the present connection

	offset  int64 // bytes handed to the reader
	resumed int64 // offset at the last resume
	resumes int   // in a row without enough progress
	noRange bool  // the registry refuses Range
	slow    int   // of those, because of time
	pace    pace
	err     error // final
}

var (
	errIdle = errors.New("slow: no byte came within the idle time-out")
	errPace = errors.New("slow: fewer bytes came than the minimum rate")
)

// Read fills p from the present connection and, when that fails, from the next.
func (b *blobReader) Read(p []byte) (int, error) {
	if len(p) == 0 || b.err != nil {
		return 0, b.err
	}
	for {
		n, err := b.readOnce(p)
		if n > 0 {
			// An error beside bytes shows again on the next read.
			return n, nil
		}
		if err == nil {
			continue
		}
		if b.err = b.ended(err); b.err != nil {
			b.drop()
			return 0, b.err
		}
	}
}

// readOnce reads from the present connection under the idle timer and the minimum rate. Only the time spent in here counts:
// a reader that is slow itself does not make the registry slow.
func (b *blobReader) readOnce(p []byte) (int, error) {
	if b.size >= 0 && b.offset < b.size {
		p = p[:min(int64(len(p)), b.size-b.offset)]
	}
	timer := time.AfterFunc(b.c.lim.idle, func() { b.cancel(errIdle) })
	start := time.Now()
	n, err := b.body.Read(p)
	spent := time.Since(start)
	timer.Stop()
	if b.size >= 0 && b.offset >= b.size && n > 0 {
		return 0, errTooLong
	}
	b.offset += int64(n)
	b.c.opts.Bytes(n)
	if err != nil && b.stream.Err() != nil && b.ctx.Err() == nil {
		err = context.Cause(b.stream)
	}
	if err == nil && b.pace.tooSlow(n, spent, b.c.lim) {
		b.cancel(errPace)
	}
	return n, err
}

var errTooLong = errors.New("more bytes than the manifest says")

// ended decides what an error of the present connection means: nil to go on with a new one, io.EOF for the end, or the final
// error.
func (b *blobReader) ended(err error) error {
	switch {
	case b.ctx.Err() != nil:
		return fmt.Errorf("%s: %w", b.call.what, context.Cause(b.ctx))
	case errors.Is(err, errTooLong):
		return fmt.Errorf("%s: %w: longer than the %d bytes its manifest states", b.call.what, plimsoll.ErrIntegrity, b.size)
	case b.size >= 0 && b.offset == b.size, b.size < 0 && errors.Is(err, io.EOF):
		// With every byte in hand it no longer matters how the connection ends.
		return io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return b.resume(err)
}

// resume opens the next connection at the offset reached, unless the bounds say that it is enough.
func (b *blobReader) resume(cause error) error {
	b.drop()
	if b.offset-b.resumed >= b.c.lim.progress {
		b.resumes, b.slow = 0, 0
	}
	b.resumed = b.offset
	for {
		b.resumes++
		if errors.Is(cause, errIdle) || errors.Is(cause, errPace) {
			b.slow++
		}
		if b.resumes > b.c.lim.resumes || b.slow >= b.c.lim.slowTries {
			return fmt.Errorf("%s: %s: %w: at byte %d of %d, after %d tries: %w",
				b.call.what, where(b.c.url(b.call)), plimsoll.ErrUnavailable, b.offset, b.size, b.resumes, cause)
		}
		b.c.opts.Log.Info("blob broke off, reading on", "registry", b.c.conf.ID, "blob", b.call.what, "at", b.offset, "of", b.size, "cause", cause)
		if err := sleep(b.ctx, backoff(b.c.lim.backoff, b.c.lim.backoffMax, b.resumes-1)); err != nil {
			return fmt.Errorf("%s: %w", b.call.what, err)
		}
		err := b.open()
		if err == nil || !errors.Is(err, plimsoll.ErrUnavailable) {
			return err
		}
		cause = err
	}
}

// open makes the request for what is still to be read and brings its body to the offset.
func (b *blobReader) open() error {
	b.stream, b.cancel = context.WithCancelCause(b.ctx)
	b.pace = pace{}
	k := b.call
	if b.offset > 0 && !b.noRange {
		k.header = http.Header{"Range": {b.rangeLeft()}}
	}
	resp, err := b.c.send(b.stream, k)
	if err != nil {
		b.cancel(nil)
		return err
	}
	if err := b.accept(resp); err != nil {
		b.cancel(nil)
		return err
	}
	b.body = resp.Body
	return nil
}

// rangeLeft names both ends where they are known: some registries understand no open range.
func (b *blobReader) rangeLeft() string {
	if b.size < 0 {
		return fmt.Sprintf("bytes=%d-", b.offset)
	}
	return fmt.Sprintf("bytes=%d-%d", b.offset, b.size-1)
}

// accept checks an answer against what was asked: 206 from our offset, or 200 from the start, whose bytes up to the offset are
// then thrown away. The body is closed when it is refused.
func (b *blobReader) accept(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusPartialContent && b.offset > 0:
		if err := b.checkRange(resp.Header.Get("Content-Range")); err != nil {
			_ = resp.Body.Close()
			return err
		}
		return nil
	case resp.StatusCode == http.StatusOK:
		if b.size >= 0 && resp.ContentLength >= 0 && resp.ContentLength != b.size {
			_ = resp.Body.Close()
			return fmt.Errorf("%s: %s: %w: it has %d bytes, its manifest states %d",
				b.call.what, where(resp.Request.URL), plimsoll.ErrIntegrity, resp.ContentLength, b.size)
		}
		if b.size < 0 {
			b.size = resp.ContentLength
		}
		return b.discard(resp)
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		_ = resp.Body.Close()
		return b.refusedRange(resp)
	}
	if origin(resp.Request.URL) != origin(&b.c.base) && (resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized) {
		// A signed URL of the storage that ran out: the registry makes a new one.
		at := where(resp.Request.URL)
		drain(resp.Body)
		return fmt.Errorf("%s: %s: %w: the storage answers HTTP %d", b.call.what, at, plimsoll.ErrUnavailable, resp.StatusCode)
	}
	return b.c.statusFault(b.call.what, resp)
}

// refusedRange tells a blob that is too short from a registry that does not do ranges; the latter is asked for everything.
func (b *blobReader) refusedRange(resp *http.Response) error {
	at := where(resp.Request.URL)
	length, stated := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */")
	if n, err := number(length); b.noRange || stated && err == nil && n <= b.offset {
		return fmt.Errorf("%s: %s: %w: it ends before byte %d", b.call.what, at, plimsoll.ErrIntegrity, b.offset+1)
	}
	b.noRange = true
	return fmt.Errorf("%s: %s: %w: Range refused", b.call.what, at, plimsoll.ErrUnavailable)
}

// checkRange compares what is sent with what was asked for.
func (b *blobReader) checkRange(text string) error {
	first, last, total, err := parseContentRange(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w Content-Range %.80q: %w", b.call.what, plimsoll.ErrInvalid, text, err)
	case first != b.offset || last < first:
		return fmt.Errorf("%s: %w Content-Range %.80q: asked for byte %d on", b.call.what, plimsoll.ErrInvalid, text, b.offset)
	case total >= 0 && b.size >= 0 && total != b.size:
		return fmt.Errorf("%s: %w: Content-Range %.80q, its manifest states %d bytes", b.call.what, plimsoll.ErrIntegrity, text, b.size)
	}
	if b.size < 0 {
		b.size = total
	}
	return nil
}

// discard reads up to the offset under the same timers as the rest; a failure on the way counts as one of the connection.
func (b *blobReader) discard(resp *http.Response) error {
	b.body = resp.Body
	buffer := make([]byte, 32<<10)
	for left := b.offset; left > 0; {
		timer := time.AfterFunc(b.c.lim.idle, func() { b.cancel(errIdle) })
		start := time.Now()
		n, err := resp.Body.Read(buffer[:min(left, int64(len(buffer)))])
		spent := time.Since(start)
		timer.Stop()
		left -= int64(n)
		b.c.opts.Bytes(n)
		if err == nil && b.pace.tooSlow(n, spent, b.c.lim) {
			err = errPace
		}
		if err != nil && left > 0 {
			if b.stream.Err() != nil {
				err = context.Cause(b.stream)
			}
			_ = resp.Body.Close()
			return fmt.Errorf("%s: %w: reading again up to byte %d: %w", b.call.what, plimsoll.ErrUnavailable, b.offset, err)
		}
	}
	return nil
}

func (b *blobReader) drop() {
	b.cancel(nil)
	if b.body != nil {
		_ = b.body.Close()
		b.body = nil
	}
}

// Close ends the reading; the connection is kept for others only when the blob was read to its end.
func (b *blobReader) Close() error {
	if b.err == nil {
		b.err = errors.New("read of a closed blob")
		b.drop()
	}
	return nil
}

// pace measures the bytes that came in a window of reading time.
type pace struct {
	bytes int64
	spent time.Duration
}

// tooSlow adds one read and, when a window is full, tells whether it brought too little.
func (p *pace) tooSlow(n int, spent time.Duration, lim limits) bool {
	p.bytes += int64(n)
	p.spent += spent
	if p.spent < lim.rateWindow {
		return false
	}
	slow := float64(p.bytes) < float64(lim.rate)*p.spent.Seconds()
	*p = pace{}
	return slow
}
