package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Program is the child's file name; it stands beside the worker's own binary.
const Program = "plimsoll-analyse"

// environment tells a binary that holds the child among other things to be one, and only that.
const environment = "PLIMSOLL_ANALYSE"

// Requested reports whether this process was started to be a child: its main then calls [Main] before anything else.
func Requested() bool { return os.Getenv(environment) != "" }

// When a child is replaced although nothing is wrong with it: a leak, or what one layer left behind for the next, has an end.
const (
	maxJobs  = 64
	maxBytes = 4 << 30 // inflated
	idleTime = 15 * time.Second
)

// Options say how children are run.
type Options struct {
	// Path is the child's program; empty: the one beside this process's binary, else this binary itself.
	Path string
	Log  *slog.Logger
}

// Pool runs jobs in children, each in one of its own. It starts as many as are in use at once and keeps them for a while.
type Pool struct {
	path  string
	self  bool
	log   *slog.Logger
	fence fence

	configs chan struct{} // one configuration at a time: they are small

	mu     sync.Mutex
	idle   []*process
	closed bool
	wg     sync.WaitGroup // processes
}

// NewPool finds the child's program and tries whether it starts. It returns an error when it does not.
func NewPool(ctx context.Context, o Options) (*Pool, error) {
	if Requested() {
		return nil, fmt.Errorf("start of the analysis child: %w: this process is one itself; its main must call child.Main", plimsoll.ErrInvalid)
	}
	p := &Pool{log: o.Log, configs: make(chan struct{}, 1)}
	var err error
	if p.path, p.self, err = program(o.Path); err != nil {
		return nil, err
	}
	if p.self {
		p.log.Info("no "+Program+" beside this binary: it runs itself to analyse layers, which starts more slowly", "program", p.path)
	}
	p.fence = strongest()
	first, err := p.start(ctx)
	for err != nil && ctx.Err() == nil && p.fence.weaken() {
		first, err = p.start(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("start of the analysis child %s: %w; put the %s of this version there, or remove it: this binary then runs itself", p.path, err, Program)
	}
	p.tell(first)
	p.put(first, false)
	return p, nil
}

// program is the child's file, and whether it is this process's own.
func program(path string) (file string, self bool, err error) {
	if path != "" {
		return path, false, nil
	}
	own, err := os.Executable()
	if err != nil {
		return "", false, fmt.Errorf("find the analysis child: %w", err)
	}
	beside := filepath.Join(filepath.Dir(own), Program)
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
		return beside, false, nil
	}
	return own, true, nil
}

// tell says at the start how children are held, and what the kernel did not allow.
func (p *Pool) tell(c *process) {
	missing := append(p.fence.missing(), c.hello.Missing...)
	if len(missing) > 0 {
		p.log.Warn("layers are analysed in a child process with less isolation than there could be", "missing", missing, "program", p.path)
		return
	}
	p.log.Info("layers are analysed in an isolated child process", "program", p.path)
}

// Run analyses one blob, whose bytes are read from src to their end. What the child found comes back only when all of it did.
//
// An error is a [Fault] when the child died or had to be killed; src's own error when that failed; the context's cause.
func (p *Pool) Run(ctx context.Context, j Job, src io.Reader) ([]Facts, error) {
	if j.Kind == KindConfig {
		select {
		case p.configs <- struct{}{}:
			defer func() { <-p.configs }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	c, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := c.run(ctx, j, src)
	p.put(c, err != nil || c.worn() || anyShort(facts))
	return facts, err
}

// anyShort tells that a limit was hit or bytes were broken: the next layer gets a child that has not seen them.
func anyShort(facts []Facts) bool {
	for _, f := range facts {
		if f.Read.Short() {
			return true
		}
	}
	return false
}

func (p *Pool) get(ctx context.Context) (*process, error) {
	if c := p.waiting(); c != nil {
		return c, nil
	}
	c, err := p.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: start of the analysis child: %w", plimsoll.ErrUnavailable, err)
	}
	return c, nil
}

// waiting is an idle child, or nil. One that somebody killed meanwhile is passed over: the next layer is not to blame for it.
func (p *Pool) waiting() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		n := len(p.idle) - 1
		c := p.idle[n]
		p.idle = p.idle[:n]
		if !c.gone() {
			c.wake()
			return c
		}
		c.end()
	}
	return nil
}

// put takes a child back, or ends it.
func (p *Pool) put(c *process, worn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if worn || p.closed {
		c.end()
		return
	}
	p.idle = append(p.idle, c)
	c.sleep(idleTime, func() { p.drop(c) })
}

// drop ends a child that was idle for long.
func (p *Pool) drop(c *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, x := range p.idle {
		if x == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			c.end()
			return
		}
	}
}

// Close ends the idle children, and the others when their jobs end; it waits for all.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, c := range p.idle {
		c.end()
	}
	p.idle = nil
	p.mu.Unlock()
	p.wg.Wait()
}

// Fault is what killed a child, or what it had to be killed for. It depends on the machine, so it is never a fact of the layer.
type Fault struct {
	Analyzer  string // at work then; empty when the layer itself was being read, or when it is not known
	Extractor string // of it; may be empty
	What      string // "more memory than 512 MiB"
	End       string // how a child that was not killed for something ended: "signal: killed"; for the log
}

// Error implements error: "os/dpkg: more memory than 512 MiB".
func (f *Fault) Error() string {
	at := f.Extractor
	if at == "" {
		at = f.Analyzer
	}
	if at == "" {
		return f.What
	}
	return at + ": " + f.What
}

// errSource wraps an error of the blob's own reader.
var errSource = errors.New("read blob")
