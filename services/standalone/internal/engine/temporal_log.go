package engine

import (
	"context"
	"log/slog"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// temporalLog passes Temporal's warnings and worse on to slog.
type temporalLog struct {
	log *slog.Logger
}

var (
	_ log.Logger     = temporalLog{}
	_ log.WithLogger = temporalLog{}
)

// fatalError is what the server panics with instead of ending the process.
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

func (l temporalLog) Fatal(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	for _, t := range tags {
		if err, ok := t.Value().(error); ok {
			msg += ": " + err.Error()
		}
	}
	panic(fatalError{msg})
}

// With keeps the tags as attributes, as the server's own loggers do.
func (l temporalLog) With(tags ...tag.Tag) log.Logger {
	return temporalLog{slog.New(l.log.Handler().WithAttrs(attrs(tags)))}
}

func (l temporalLog) write(level slog.Level, msg string, tags []tag.Tag) {
	if l.log.Enabled(context.Background(), level) {
		l.log.LogAttrs(context.Background(), level, msg, attrs(tags)...)
	}
}

func attrs(tags []tag.Tag) []slog.Attr {
	as := make([]slog.Attr, len(tags))
	for i, t := range tags {
		as[i] = slog.Any(t.Key(), t.Value())
	}
	return as
}
