package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// startTime is how long a child may take to say hello: a machine under load starts programs slowly.
	startTime = 60 * time.Second
	// maxStderr is how much of what a dying child says is kept.
	maxStderr = 4 << 10
)

// process is one child.
type process struct {
	cmd     *exec.Cmd
	in      *os.File
	out     *bufio.Reader
	outFile *os.File
	wg      *sync.WaitGroup
	board   *board
	hello   hello
	said    *tail // standard error
	exit    chan struct{}
	why     atomic.Pointer[string] // it was killed for this
	doomed  bool                   // a kill has begun that may come after the job's end
	timer   *time.Timer
	jobs    int
	bytes   int64 // inflated in former jobs
	buf     []byte
}

// start starts a child and waits for its greeting.
func (p *Pool) start(ctx context.Context) (*process, error) {
	b, file, err := sharedBoard()
	if err != nil {
		return nil, err
	}
	c := &process{wg: &p.wg, board: b, said: &tail{}, exit: make(chan struct{}), buf: make([]byte, frameHeader+maxData)}
	c.cmd = exec.Command(p.path) //nolint:gosec // our own program
	c.cmd.Args = []string{Program}
	c.cmd.Env = []string{environment + "=1"}
	c.cmd.Dir, c.cmd.Stderr = "/", c.said
	c.cmd.SysProcAttr = p.fence.attributes()
	if file != nil {
		c.cmd.ExtraFiles = []*os.File{file}
		defer file.Close()
	}
	if err := c.connect(); err != nil {
		b.unmap()
		return nil, err
	}
	p.wg.Go(func() {
		_ = c.cmd.Wait() // how it ended is read from its state
		close(c.exit)
	})
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	defer context.AfterFunc(ctx, c.kill)()
	kind, content, err := readFrame(c.out)
	if err != nil || kind != frameHello || json.Unmarshal(content, &c.hello) != nil {
		c.end()
		<-c.exit
		return nil, fmt.Errorf("it did not answer (%s): %s", c.cmd.ProcessState, c.said.line())
	}
	return c, nil
}

// connect makes the pipes and starts the program. Files of the child's ends are closed here in any case.
func (c *process) connect() error {
	stdin, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return err
	}
	defer stdout.Close()
	widen(in)
	widen(out)
	c.in, c.outFile, c.out = in, out, bufio.NewReaderSize(out, maxData)
	c.cmd.Stdin, c.cmd.Stdout = stdin, stdout
	if err := c.cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return err
	}
	return nil
}

func (c *process) kill() { _ = c.cmd.Process.Kill() }

// killFor kills the child and remembers why.
func (c *process) killFor(why string) {
	c.why.CompareAndSwap(nil, &why)
	c.kill()
}

// end ends a child that is not at work, for good. It does not wait; the pool does.
func (c *process) end() {
	c.wake()
	_ = c.in.Close()
	c.kill()
	c.wg.Go(func() {
		<-c.exit
		_ = c.outFile.Close()
		c.board.unmap()
	})
}

func (c *process) sleep(d time.Duration, then func()) { c.timer = time.AfterFunc(d, then) }

func (c *process) wake() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// worn tells that it served long enough, or that it is dead or will be in a moment.
func (c *process) worn() bool {
	return c.jobs >= maxJobs || c.bytes >= maxBytes || c.doomed || c.why.Load() != nil || c.gone()
}

func (c *process) gone() bool {
	select {
	case <-c.exit:
		return true
	default:
		return false
	}
}

// run has one blob analysed.
func (c *process) run(ctx context.Context, j Job, src io.Reader) ([]Facts, error) {
	c.jobs++
	defer func() { c.bytes += c.board.done() }()
	kept := context.AfterFunc(ctx, c.kill)
	defer func() { c.doomed = !kept() }()
	stop := c.watch()
	defer stop()
	var fed error
	var wg sync.WaitGroup
	wg.Go(func() {
		if fed = c.feed(j, src); fed != nil {
			c.kill()
		}
	})
	facts, err := c.answers()
	wg.Wait()
	switch {
	case err == nil && fed == nil:
		return facts, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(fed, errSource):
		return nil, fed
	}
	return nil, c.fault(err)
}

// feed sends the job and its bytes. An error of src wraps errSource; one of the pipe says that the child is gone.
func (c *process) feed(j Job, src io.Reader) error {
	if err := writeJSON(c.in, frameJob, j); err != nil {
		return err
	}
	for {
		n, err := src.Read(c.buf[frameHeader:])
		if n > 0 {
			c.buf[0] = frameData
			binary.LittleEndian.PutUint32(c.buf[1:], uint32(n))
			if _, err := c.in.Write(c.buf[:frameHeader+n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return writeFrame(c.in, frameEnd)
		case err != nil:
			return fmt.Errorf("%w: %w", errSource, err)
		}
	}
}

// answers reads the facts of a job.
func (c *process) answers() (all []Facts, err error) {
	for {
		kind, content, err := readFrame(c.out)
		if err != nil {
			return nil, err
		}
		switch kind {
		case frameFacts:
			f, err := parseFacts(content)
			if err != nil {
				return nil, err
			}
			all = append(all, f)
		case frameDone:
			var d done
			switch err := json.Unmarshal(content, &d); {
			case err != nil:
				return nil, fmt.Errorf("answer of the child: %w: %w", plimsoll.ErrInvalid, err)
			case d.Panic != "":
				return nil, errPanic
			case d.Error != "":
				return nil, fmt.Errorf("%w: %s", plimsoll.ErrInvalid, d.Error)
			}
			return all, nil
		default:
			return nil, fmt.Errorf("answer %q of the child: %w", kind, plimsoll.ErrInvalid)
		}
	}
}

// fault tells why the child died. It has the board's word of what was being done.
func (c *process) fault(err error) error {
	if errors.Is(err, plimsoll.ErrInvalid) && !errors.Is(err, io.EOF) {
		return err // it answered, although not what was asked for: a fault of ours
	}
	f := &Fault{What: "crashed"}
	f.Analyzer, f.Extractor = c.board.at()
	c.kill()
	<-c.exit
	switch why := c.why.Load(); {
	case why != nil:
		f.What = *why
	default:
		f.What, f.End = c.said.cause(), c.cmd.ProcessState.String()
	}
	return f
}

// tail keeps the beginning of what is written to it: that is where a dying program says why.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p[:min(len(p), maxStderr-t.b.Len())])
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *tail) line() string {
	line, _, _ := strings.Cut(t.text(), "\n")
	return line
}

// cause is why a child died, in words that do not depend on the layer's content, so that equal causes group.
func (t *tail) cause() string {
	text := t.text()
	for _, known := range []struct{ said, cause string }{
		{"stack overflow", "stack overflow"},
		{"goroutine stack exceeds", "stack overflow"},
		{"out of memory", "out of memory"},
		{"cannot allocate memory", "out of memory"},
		{"panic:", "panic"},
		{"fatal error:", "fatal error of the run-time"},
	} {
		if strings.Contains(text, known.said) {
			return "crashed: " + known.cause
		}
	}
	return "crashed"
}
