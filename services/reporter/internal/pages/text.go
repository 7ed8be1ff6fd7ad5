package pages

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// size writes bytes in steps of 1000, as registries do.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for ; f >= 1000 && i < len(units)-1; i++ {
		f /= 1000
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// age writes how long ago t was, in the largest unit that fits.
func age(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < -time.Minute:
		return "in " + span(-d)
	case d < time.Minute:
		return "just now"
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d < 90*day:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	case d < 730*day:
		return fmt.Sprintf("%d months", int(d.Hours()/24/30.4))
	default:
		return fmt.Sprintf("%d years", int(d.Hours()/24/365))
	}
}

// took is how long something lasted.
func took(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// plural is "1 image", "2 images".
func plural(n int, one string) string {
	if n == 1 {
		return one
	}
	if strings.HasSuffix(one, "y") {
		return strings.TrimSuffix(one, "y") + "ies"
	}
	return one + "s"
}

// class turns a word of ours into a class name: "not rated" is "not-rated".
func class(v any) string { return strings.ReplaceAll(fmt.Sprint(v), " ", "-") }

func (s *Server) functions() template.FuncMap {
	return template.FuncMap{
		"t": list.Visible, "num": list.Comma, "size": size, "utc": utc, "class": class, "plural": plural,
		"age":          func(t time.Time) string { return age(s.Now(), t) },
		"old":          func(t time.Time) string { return span(s.Now().Sub(t)) },
		"iso":          func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"short":        func(d plimsoll.Digest) string { return d.Short() },
		"add":          func(a, b int) int { return a + b },
		"score":        func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) },
		"join":         func(all []string) string { return list.Visible(strings.Join(all, ", ")) },
		"asset":        func(name string) string { return "/assets/" + name + "?v=" + s.stamp },
		"imgpath":      imagePath,
		"advpath":      advisoryPath,
		"name":         list.Name,
		"unread":       list.Unread,
		"event":        func(e posture.Event) string { return list.Visible(history.EventText(e)) },
		"sweep":        sweepURL,
		"waited":       func(seconds float64) string { return took(time.Duration(seconds * float64(time.Second))) },
		"sweepcmd":     func(id string) string { return "plimsoll sweep start " + id },
		"place":        list.Place,
		"bare":         func(platform string) string { return strings.TrimPrefix(platform, "linux/") },
		"notes":        func(f plimsoll.File) string { return list.Visible(list.Notes(f)) },
		"mode":         list.Mode,
		"suspect":      func(f plimsoll.File) bool { return f.Has(plimsoll.NoteAltered) || f.Foreign() },
		"wordicon":     wordIcon,
		"statusicon":   statusIcon,
		"cut":          func(n int, s string) string { return list.Visible(s[:min(n, len(s))]) },
		"from":         func(d plimsoll.DeadlineStart) string { return strings.ReplaceAll(string(d), "_", " ") },
		"layers":       layersText,
		"day":          func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"daymonth":     dayMonth,
		"exploited":    func(e *plimsoll.Enrichment) bool { return e != nil && e.Exploited() },
		"exploitation": exploitation,
		"args":         func(all ...any) []any { return all },
	}
}

// wordIcon is the shape beside what is said of a flaw; what is not known has its own.
func wordIcon(w match.Word) string {
	switch w {
	case match.Affected:
		return "fail"
	case match.NotAffected:
		return "pass"
	}
	return "unknown"
}
