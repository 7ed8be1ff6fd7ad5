package admin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
)

var levels = map[string]slog.Level{
	"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// Logger writes one record a line from level on (debug, info, warn, error; empty: info): text to a terminal, else JSON.
// Names from images and registries may stand in records, so nothing that a terminal would obey is written raw.
func Logger(w io.Writer, level string) (*slog.Logger, error) {
	l, ok := levels[strings.ToLower(level)]
	if !ok {
		return nil, fmt.Errorf("log level %.20q: %w; use debug, info, warn or error", level, plimsoll.ErrInvalid)
	}
	opts := &slog.HandlerOptions{Level: l}
	if terminal(w) {
		return slog.New(slog.NewTextHandler(w, opts)), nil // quotes whatever is not printable
	}
	return slog.New(slog.NewJSONHandler(printable{w}, opts)), nil
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printable escapes in JSON what JSON itself allows raw: DEL, the C1 controls, and the characters that reorder or hide
// text. They can only stand inside its strings, where \u is always right.
type printable struct{ w io.Writer }

func (p printable) Write(b []byte) (int, error) {
	if bytes.IndexFunc(b, unprintable) < 0 {
		return p.w.Write(b)
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		if unprintable(r) {
			writeEscape(&out, r)
		} else {
			out.WriteRune(r)
		}
	}
	if _, err := p.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

func unprintable(r rune) bool {
	return r != '\n' && r != utf8.RuneError && !unicode.IsPrint(r)
}

// writeEscape writes \uXXXX, as a surrogate pair beyond the basic plane (RFC 8259, section 7).
func writeEscape(out *bytes.Buffer, r rune) {
	if r < 0x10000 {
		fmt.Fprintf(out, `\u%04x`, r)
		return
	}
	r -= 0x10000
	fmt.Fprintf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}
