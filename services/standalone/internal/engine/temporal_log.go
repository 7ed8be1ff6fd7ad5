package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// temporalLog passes on to slog what Temporal logs at level or above.
type temporalLog struct {
	log   *slog.Logger
	level *slog.LevelVar
	fatal *fatalState
	last  *sync.Map // message → time.Time it was last written
	tags  []tag.Tag
}

// logEvery is how often one message is written: when the disk is slow for a moment each task in flight times out, is
// tried again, and says so.
const logEvery = 10 * time.Second

// fatalState is what is known of the server's fatal errors.
type fatalState struct {
	building atomic.Bool // its constructors run, in the goroutine of buildServer
	first    atomic.Pointer[fatalError]
}

// The levels while the server runs, and while it starts or stops. Its services start and stop one after the other and
// complain of each other's absence in between; a start that fails is reported by its error.
const (
	levelRun   = slog.LevelWarn
	levelQuiet = slog.LevelError + 1
)

func newTemporalLog(log *slog.Logger) temporalLog {
	l := temporalLog{log: log.With("engine", "temporal"), level: &slog.LevelVar{}, fatal: &fatalState{}, last: &sync.Map{}}
	l.level.Set(levelQuiet)
	return l
}

var (
	_ log.Logger     = temporalLog{}
	_ log.WithLogger = temporalLog{}
)

// fatalError is for what the server would have ended the process.
type fatalError struct {
	message string
}

func (e fatalError) Error() string { return e.message }

func (temporalLog) Debug(string, ...tag.Tag) {}
func (temporalLog) Info(string, ...tag.Tag)  {}

func (l temporalLog) Warn(msg string, tags ...tag.Tag)   { l.write(slog.LevelWarn, msg, tags) }
func (l temporalLog) Error(msg string, tags ...tag.Tag)  { l.write(slog.LevelError, msg, tags) }
func (l temporalLog) DPanic(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

func (l temporalLog) Panic(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal ends what calls it, instead of the process. The server calls it when it cannot start, with a port in use or a
// machine too busy to answer in time, which the start then reports or tries again. A constructor panics, and buildServer
// recovers; a start hook's goroutine ends, which fx takes for a failure of the hook. What goes wrong so badly later is
// left to the log.
func (l temporalLog) Fatal(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	for _, t := range tags {
		if t.Key() == "error" {
			msg = fmt.Sprintf("%s: %v", msg, t.Value())
		}
	}
	err := fatalError{msg}
	l.fatal.first.CompareAndSwap(nil, &err)
	if l.fatal.building.Load() {
		panic(err)
	}
	runtime.Goexit()
}

// With keeps the tags for the day something is written: the server makes such a logger for each task, and hardly ever
// uses it.
func (l temporalLog) With(tags ...tag.Tag) log.Logger {
	return temporalLog{l.log, l.level, l.fatal, l.last, slices.Concat(l.tags, tags)}
}

func (l temporalLog) write(level slog.Level, msg string, tags []tag.Tag) {
	if level < l.level.Level() || !l.log.Enabled(context.Background(), level) || l.tooSoon(msg) {
		return
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs(slices.Concat(l.tags, tags))...)
}

// tooSoon says whether msg was written within logEvery. Messages are constants of the server's, so they are few; two
// goroutines at the same instant may both be let through.
func (l temporalLog) tooSoon(msg string) bool {
	now := time.Now()
	if last, ok := l.last.Load(msg); ok && now.Sub(last.(time.Time)) < logEvery {
		return true
	}
	l.last.Store(msg, now)
	return false
}

func attrs(tags []tag.Tag) []slog.Attr {
	as := make([]slog.Attr, len(tags))
	for i, t := range tags {
		as[i] = slog.Any(t.Key(), t.Value())
	}
	return as
}
