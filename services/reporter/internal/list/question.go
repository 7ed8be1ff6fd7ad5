package list

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxReference bounds one parameter of a question, in bytes: a registry's id, a repository (255) and a tag (128), and then some.
const maxReference = 600

// Question is which two images are compared, and what of the comparison a list shows. It is a URL's query.
type Question struct {
	Image        string // reference or digest
	Platform     string // of Image; empty: that of its worst row
	With         string // reference, digest, or a tag of Image's repository
	WithPlatform string // empty: Image's
	Change       Change // the findings wanted; empty: all
	Severity     plimsoll.Severity
	Packages     Change // the packages wanted; empty: all
}

// ParseQuestion reads a query. Parameters named in other are left alone; an unknown parameter or word is an error that wraps
// [plimsoll.ErrInvalid].
func ParseQuestion(q url.Values, other ...string) (Question, error) {
	out := Question{
		Image: q.Get("image"), Platform: q.Get("platform"), With: q.Get("with"), WithPlatform: q.Get("with_platform"),
		Change: Change(q.Get("change")), Severity: plimsoll.Severity(q.Get("severity")), Packages: Change(q.Get("package_change")),
	}
	known := append([]string{"image", "platform", "with", "with_platform", "change", "severity", "package_change"}, other...)
	for name, given := range q {
		if !slices.Contains(known, name) {
			return out, fmt.Errorf("compare %.40q: %w: there is no such parameter", name, plimsoll.ErrInvalid)
		}
		if len(given) > 1 || len(given[0]) > maxReference {
			return out, fmt.Errorf("compare %s: %w: given twice, or longer than %d bytes", name, plimsoll.ErrInvalid, maxReference)
		}
	}
	return out, errors.Join(
		oneOf("change", out.Change, FindingChanges), oneOf("severity", out.Severity, plimsoll.Severities), oneOf("package_change", out.Packages, PackageChanges))
}

// oneOf is an error when a parameter's value is none of the words that it may have.
func oneOf[T ~string](name string, value T, words []T) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s %.20q: %w: want one of %q", name, value, plimsoll.ErrInvalid, words)
}

// Query is the question as a URL's query: the same question is always the same text.
func (q Question) Query() string {
	out := url.Values{}
	for name, value := range map[string]string{
		"image": q.Image, "platform": q.Platform, "with": q.With, "with_platform": q.WithPlatform, "change": string(q.Change), "severity": string(q.Severity),
		"package_change": string(q.Packages),
	} {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out.Encode()
}

// Narrow is the question about findings of another change and severity.
func (q Question) Narrow(c Change, s plimsoll.Severity) Question {
	q.Change, q.Severity = c, s
	return q
}

// Named are the rows that a reference or a digest names, worst first.
func Named(v *posture.View, ref string) (out []*posture.Row) {
	for _, r := range v.Rows() {
		if string(r.Digest) == ref || string(r.Reference.Digest) == ref || Name(r) == ref {
			out = append(out, r)
		}
	}
	return out
}

// Beside are the rows that a name stands for when one looks from an image: a tag of the same repository, else what [Named] has.
func Beside(v *posture.View, r *posture.Row, name string) []*posture.Row {
	tag := r.Reference
	tag.Digest, tag.Tag = "", name
	if out := Named(v, tag.String()); out != nil && name != "" {
		return out
	}
	return Named(v, name)
}

// PickPlatform is the worst of rows that has a platform; any when it is empty. nil when none has.
func PickPlatform(rows []*posture.Row, platform string) *posture.Row {
	for _, r := range rows {
		if platform == "" || r.Platform.String() == platform {
			return r
		}
	}
	return nil
}

// other is the row to compare with: of the platform asked for, else of this one's. What is not resolved yet has none, and is
// compared for what it is.
func (q Question) other(v *posture.View, this *posture.Row) (*posture.Row, error) {
	rows := Beside(v, this, q.With)
	if len(rows) == 0 {
		return nil, fmt.Errorf("compare with %.300q: %w: no stored image is called so; write a tag of %s, a whole reference, or a digest", q.With, plimsoll.ErrNotFound, this.Reference.Repository)
	}
	want := cmp.Or(q.WithPlatform, this.Platform.String())
	if r := PickPlatform(rows, want); r != nil {
		return r, nil
	}
	var has []string
	for _, r := range rows {
		p := r.Platform.String()
		if p == "" {
			return r, nil
		}
		has = append(has, p)
	}
	slices.Sort(has)
	return nil, fmt.Errorf("compare with %.300q: %w: it has no %s; it has %s", q.With, plimsoll.ErrNotFound, want, strings.Join(slices.Compact(has), ", "))
}

// Others are at most n other tags of an image's repository to compare it with, those pushed last first: rows of its platform of
// which something was read.
func Others(v *posture.View, r *posture.Row, n int) []*posture.Row {
	last := newPicked(n, func(a, b *posture.Row) int {
		return cmp.Or(b.Moved.Compare(a.Moved), posture.CompareReferences(a, b))
	})
	for _, x := range v.Rows() {
		if x.Reference.Repository != r.Reference.Repository || x.Reference.Registry != r.Reference.Registry || x.Reference.Tag == r.Reference.Tag {
			continue
		}
		if _, _, _, held := x.Reading(); held && x.Platform == r.Platform {
			last.offer(x)
		}
	}
	return last.sorted()
}
