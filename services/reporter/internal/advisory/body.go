package advisory

import (
	"encoding/binary"
	"time"

	"github.com/plimsoll/plimsoll"
)

// A record's body is everything of it but its names, as numbers of the segment's texts. Each new field of
// [plimsoll.Advisory] has its place in encode and decode, and raises [indexFormat]; a test fills in every field.

// bodyWriter writes the body twice: table with numbers of texts, and plain with the texts themselves, whose hash says whether
// two forms of a record are the same.
type bodyWriter struct {
	texts        *textsBuilder
	table, plain []byte
}

func (w *bodyWriter) text(s string) {
	w.table = binary.AppendUvarint(w.table, uint64(w.texts.add(s)))
	w.plain = append(binary.AppendUvarint(w.plain, uint64(len(s))), s...)
}

func (w *bodyWriter) count(n int) {
	w.table = binary.AppendUvarint(w.table, uint64(n))
	w.plain = binary.AppendUvarint(w.plain, uint64(n))
}

func (w *bodyWriter) time(t time.Time) {
	w.table = appendTime(w.table, t)
	w.plain = appendTime(w.plain, t)
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

func (w *bodyWriter) scores(all []plimsoll.Score) {
	w.count(len(all))
	for _, s := range all {
		w.text(s.Type)
		w.text(s.Score)
	}
}

// record writes the body. The date of the last change stands in the table alone: that nothing but it changed is no change.
func (w *bodyWriter) record(a *plimsoll.Advisory) {
	w.table, w.plain = w.table[:0], w.plain[:0]
	w.table = appendTime(w.table, a.Modified)
	w.time(a.Published)
	w.time(a.Withdrawn)
	w.text(a.Summary)
	w.scores(a.Severity)
	w.count(len(a.Affected))
	for i := range a.Affected {
		w.affected(&a.Affected[i])
	}
	for _, names := range [][]string{{a.ID}, a.Aliases, a.Upstream} {
		w.plain = binary.AppendUvarint(w.plain, uint64(len(names)))
		for _, n := range names {
			w.plain = append(binary.AppendUvarint(w.plain, uint64(len(n))), n...)
		}
	}
}

// The kinds of event, each a field of [plimsoll.Event].
const (
	eventIntroduced = iota
	eventFixed
	eventLastAffected
	eventLimit
	eventKinds
)

func (w *bodyWriter) affected(a *plimsoll.Affected) {
	w.text(a.Ecosystem)
	w.text(a.Package)
	w.text(a.Level)
	w.text(a.Module)
	w.scores(a.Severity)
	w.count(len(a.Ranges))
	for _, r := range a.Ranges {
		w.text(r.Type)
		w.count(len(r.Events))
		for i := range r.Events {
			w.event(&r.Events[i])
		}
	}
	w.count(len(a.Versions))
	for _, v := range a.Versions {
		w.text(v)
	}
}

func (w *bodyWriter) event(e *plimsoll.Event) {
	var set [eventKinds]string
	set[eventIntroduced], set[eventFixed], set[eventLastAffected], set[eventLimit] = e.Introduced, e.Fixed, e.LastAffected, e.Limit
	kinds := 0
	for kind, version := range set {
		if version != "" {
			kinds |= 1 << kind
		}
	}
	w.count(kinds)
	for _, version := range set {
		if version != "" {
			w.text(version)
		}
	}
}

// bodyReader reads a body. After the first fault it reads zeros, and bad stands.
type bodyReader struct {
	texts *texts
	b     []byte
	bad   bool
}

// record reads the body into a; false when it is damaged.
func (r *bodyReader) record(a *plimsoll.Advisory) bool {
	a.Modified, a.Published, a.Withdrawn = r.time(), r.time(), r.time()
	a.Summary = string(r.raw()) // every one is another: not worth sharing
	a.Severity = r.scores()
	if n := r.count(); n > 0 {
		a.Affected = make([]plimsoll.Affected, n)
	}
	for i := range a.Affected {
		r.affected(&a.Affected[i])
	}
	return !r.bad && len(r.b) == 0
}

func (r *bodyReader) affected(a *plimsoll.Affected) {
	a.Ecosystem, a.Package, a.Level, a.Module = r.text(), r.text(), r.text(), r.text()
	a.Severity = r.scores()
	if n := r.count(); n > 0 {
		a.Ranges = make([]plimsoll.Range, n)
	}
	for i := range a.Ranges {
		a.Ranges[i].Type = r.text()
		if n := r.count(); n > 0 {
			a.Ranges[i].Events = make([]plimsoll.Event, n)
		}
		for j := range a.Ranges[i].Events {
			r.event(&a.Ranges[i].Events[j])
		}
	}
	if n := r.count(); n > 0 {
		a.Versions = make([]string, n)
	}
	for i := range a.Versions {
		a.Versions[i] = r.text()
	}
}

func (r *bodyReader) event(e *plimsoll.Event) {
	kinds := r.number()
	for kind, field := range [eventKinds]*string{&e.Introduced, &e.Fixed, &e.LastAffected, &e.Limit} {
		if kinds&(1<<kind) != 0 {
			*field = r.text()
		}
	}
}

func (r *bodyReader) scores() []plimsoll.Score {
	n := r.count()
	if n == 0 {
		return nil
	}
	out := make([]plimsoll.Score, n)
	for i := range out {
		out[i] = plimsoll.Score{Type: r.text(), Score: r.text()}
	}
	return out
}

func (r *bodyReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many elements follow; each takes at least one byte, so that a lie cannot ask for memory.
func (r *bodyReader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *bodyReader) textNumber() (uint32, bool) {
	n := r.number()
	if r.bad || n >= uint64(r.texts.len()) {
		r.bad = true
		return 0, false
	}
	return uint32(n), true
}

func (r *bodyReader) raw() []byte {
	n, ok := r.textNumber()
	if !ok {
		return nil
	}
	return r.texts.raw(n)
}

func (r *bodyReader) text() string {
	n, ok := r.textNumber()
	if !ok {
		return ""
	}
	return r.texts.text(n)
}

func (r *bodyReader) time() time.Time {
	sec, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return time.Time{}
	}
	r.b = r.b[n:]
	nano := r.number()
	if nano >= uint64(time.Second) {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(sec, int64(nano)).UTC()
}
