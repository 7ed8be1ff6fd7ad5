package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// mostContent is how many rows a section of secrets, files or removed packages shows: with findings they fit two screens.
const mostContent = 10

// analyzers are those that every image is read by unless they are switched off, in the order of reading.
var analyzers = []string{plimsoll.AnalyzerPackages, plimsoll.AnalyzerFiles, plimsoll.AnalyzerSecrets, plimsoll.AnalyzerTree}

// covered says how far each analyser got: the states on one line, then each reason on its own.
func (s shown) covered(im imageDocument) {
	var states, reasons []string
	names := im.readBy()
	for _, name := range names {
		c, ok := im.Read[name]
		name = cmp.Or(name, "image")
		switch {
		case !ok:
			states = append(states, name+" not analysed (switched off)")
			continue
		case c.Reason != "" && len(names) == 1:
			states = append(states, name+" "+string(c.State)+": "+c.Reason)
			continue
		case c.Reason != "":
			reasons = append(reasons, name+": "+c.Reason)
		}
		states = append(states, name+" "+string(c.State))
	}
	s.facts("COVERED", states)
	for _, r := range reasons {
		s.facts("", []string{r})
	}
}

// facts prints a labelled line of the summary; what does not fit goes on below.
func (s shown) facts(label string, parts []string) {
	const width, dot = 88, " · "
	line := ""
	for i, p := range parts {
		p = s.Short(p, width)
		if i > 0 && utf8.RuneCountInString(line+dot+p) > width {
			s.Line("  %-9s %s", label, line)
			label, line = "", ""
		}
		if line != "" {
			line += dot
		}
		line += p
	}
	if line != "" {
		s.Line("  %-9s %s", label, line)
	}
}

// readBy names the analysers of an image. One that could not be resolved, or is none, has an entry of its own and no others.
func (im imageDocument) readBy() []string {
	var names []string
	ours := false
	for _, name := range sortedKeys(im.Read) {
		if slices.Contains(analyzers, name) {
			ours = true
		} else {
			names = append(names, name)
		}
	}
	if ours {
		names = append(slices.Clone(analyzers), names...)
	}
	return names
}

// content says on one line what the image holds besides findings. Nothing found is said of an analyser that read it all.
func (s shown) content(im imageDocument) {
	c := im.counts()
	s.facts("CONTENT", slices.Concat(
		im.found(plimsoll.AnalyzerSecrets, "no secret", phrase(c.Secrets, "secret", ""), phrase(c.HiddenSecrets, "hidden secret", "")),
		im.found(plimsoll.AnalyzerFiles, "no altered or unowned file", phrase(c.AlteredFiles, "altered file", ""),
			phrase(c.UnownedFiles, "unowned file", setUID(c.UnownedSetUID))),
		im.found(plimsoll.AnalyzerPackages, "", phrase(c.Removed, "removed package", "")),
	))
}

// counts are those of the inventory that the document was made from.
func (im imageDocument) counts() plimsoll.Content {
	inv := plimsoll.Inventory{Secrets: im.Secrets, Hidden: make([]plimsoll.Package, len(im.Hidden))}
	for _, f := range im.Files {
		inv.Files = append(inv.Files, plimsoll.File{Notes: f.Notes})
	}
	return inv.Content()
}

// found are the phrases of one analyser that say something; none when there are none and the analyser read it whole.
func (im imageDocument) found(analyzer, none string, phrases ...string) []string {
	said := slices.DeleteFunc(phrases, func(p string) bool { return p == "" })
	c, ok := im.Read[analyzer]
	switch {
	case len(said) > 0 || !ok || none == "":
		return said
	case c.State == plimsoll.ReadComplete:
		return []string{none}
	}
	return []string{none + " in what was read"}
}

func phrase(n int, one, more string) string {
	if n == 0 {
		return ""
	}
	return text.Plural(n, one) + more
}

func setUID(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s set-uid)", text.Count(n))
}

// secretCell is the count of one image in the list of many: hidden ones too, because they can be downloaded.
func secretCell(im imageDocument, worst plimsoll.Coverage) string {
	c, ok := im.Read[plimsoll.AnalyzerSecrets]
	switch {
	case worst.State == plimsoll.ReadNotApplicable:
		return "n/a"
	case len(im.Secrets) > 0:
		return text.Count(len(im.Secrets))
	case !ok || c.Short():
		return "?"
	}
	return "0"
}

// section prints a heading and at most [mostContent] rows, all of them when asked for.
func (s shown) section(heading, columns, more string, n int, row func(i int) string) {
	if n == 0 {
		return
	}
	s.Line("")
	s.Line("%s", s.Paint(text.Bold, heading))
	s.Line("%s", columns)
	printed := n
	if !s.every() {
		printed = min(n, mostContent)
	}
	for i := range printed {
		s.Line("%s", row(i))
	}
	if n > printed {
		s.Line("            … %s: --all", text.Plural(n-printed, more))
	}
}

// every reports whether all rows are wanted.
func (s shown) every() bool { return s.all || s.Wide }

func (s shown) secrets(im imageDocument) {
	heading := fmt.Sprintf("SECRETS (%s): values are nowhere kept; … are the last four characters", text.Count(len(im.Secrets)))
	columns := fmt.Sprintf("  %-16s %-26s %6s  %-5s  %s", "RULE", "PLACE", "LAYER", "ENDS", "NOTE")
	s.section(heading, columns, "more secret", len(im.Secrets), func(i int) string {
		x := im.Secrets[i]
		note := ""
		if x.Hidden {
			note = hiddenNote(x.HiddenIn)
		}
		return fmt.Sprintf("  %s %s %s  %s  %s", text.Pad(s.Short(x.Rule, 16), 16), text.Pad(s.place(x, 26), 26),
			text.PadLeft(layerName(x.Layer), 6), text.Pad("…"+s.Short(x.Last4, 4), 5), note)
	})
}

// place is a secret's path and line, the line never cut.
func (s shown) place(x plimsoll.Secret, width int) string {
	line := ""
	if x.Line > 0 {
		line = ":" + strconv.Itoa(x.Line)
	}
	return s.Tail(x.Path, width-len(line)) + line
}

// files shows those that are out of the ordinary; the programs that packages install with more rights are counted alone.
func (s shown) files(im imageDocument) {
	files, ordinary := im.Files, 0
	if !s.every() {
		files = slices.DeleteFunc(slices.Clone(im.Files), fileDocument.ordinary)
		ordinary = len(im.Files) - len(files)
	}
	heading := fmt.Sprintf("FILES WORTH A LOOK (%s): what may be an intruder's first", text.Count(len(im.Files)))
	columns := fmt.Sprintf("  %-30s %-42s %-15s %6s", "WHY", "PATH", "PACKAGE", "LAYER")
	s.section(heading, columns, "more file", len(files), func(i int) string {
		f := files[i]
		owner := f.Owner
		if owner == "" {
			owner = "none"
		}
		return fmt.Sprintf("  %s %s %s %6d", text.Pad(s.Short(why(f), 30), 30), text.Pad(s.Tail(f.Path, 42), 42), text.Pad(s.Short(owner, 15), 15), f.Layer+1)
	})
	if len(files) > 0 && ordinary > 0 {
		s.Line("            … %s of packages, set-uid, set-gid or with capabilities: --all", text.Plural(ordinary, "file"))
	}
}

// ordinary reports whether a package installed the file, and nothing but its rights is worth a note: every distribution has such.
func (f fileDocument) ordinary() bool {
	return f.Owner != "" && !slices.ContainsFunc(f.Notes, func(n plimsoll.FileNote) bool {
		return n != plimsoll.NoteSetUID && n != plimsoll.NoteSetGID && n != plimsoll.NoteCapabilities
	})
}

// why joins a file's notes; capabilities are named.
func why(f fileDocument) string {
	words := make([]string, len(f.Notes))
	for i, n := range f.Notes {
		words[i] = string(n)
		if n == plimsoll.NoteCapabilities && f.Capabilities != "" {
			words[i] = f.Capabilities
		}
	}
	return strings.Join(words, ", ")
}

func (s shown) removed(im imageDocument) {
	heading := fmt.Sprintf("REMOVED PACKAGES (%s): not installed, still downloadable", text.Count(len(im.Hidden)))
	columns := fmt.Sprintf("  %-26s %-23s %6s  %s", "PACKAGE", "VERSION", "LAYER", "NOTE")
	s.section(heading, columns, "more package", len(im.Hidden), func(i int) string {
		p := im.Hidden[i]
		return fmt.Sprintf("  %s %s %6d  %s", text.Pad(s.Short(p.Name, 26), 26), text.Pad(s.Short(p.Version, 23), 23), p.Layer+1, hiddenNote(p.HiddenIn))
	})
}

func hiddenNote(layer int) string {
	return fmt.Sprintf("hidden in layer %d, still downloadable", layer+1)
}

// layerName counts from 1, as everything that is printed does.
func layerName(index int) string {
	if index == plimsoll.LayerConfig {
		return "config"
	}
	return strconv.Itoa(index + 1)
}
