package list

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Words of the parameter secret.
const (
	SecretAny     = "yes"     // any, hidden ones too
	SecretVisible = "visible" // that a container can read
	SecretHidden  = "hidden"  // that a layer removed
	SecretNone    = "no"      // read whole, and none found
	SecretUnknown = "unknown" // not analysed, or not read whole: there may be more than is shown
)

// Words of the parameter file.
const (
	FileAltered = "altered"         // a package owns it, and it is not what the package installed
	FileForeign = "unowned set-uid" // no package owns it, and it runs with more rights than its caller's
	FileUnowned = "unowned"         // executable, and no package owns it
)

// ActNow is the word of the parameter act: see [Urgent].
const ActNow = "now"

// Urgent reports whether an image calls for somebody now: a flaw in it is known to be exploited, or a container can read a
// secret in it.
func Urgent(r *posture.Row) bool { return r.Exploited > 0 || r.Content.Secrets > 0 }

// HoldsSecret reports whether an image holds any secret, hidden ones too.
func HoldsSecret(r *posture.Row) bool { return r.Content.Secrets+r.Content.HiddenSecrets > 0 }

func rowSecret(r *posture.Row, word string, _ time.Time) bool {
	switch word {
	case SecretAny:
		return HoldsSecret(r)
	case SecretVisible:
		return r.Content.Secrets > 0
	case SecretHidden:
		return r.Content.HiddenSecrets > 0
	case SecretNone:
		return !HoldsSecret(r) && readWhole(r, plimsoll.AnalyzerSecrets)
	}
	return r.Coverage.State != plimsoll.ReadNotApplicable && !readWhole(r, plimsoll.AnalyzerSecrets)
}

func rowFile(r *posture.Row, word string, _ time.Time) bool {
	switch word {
	case FileAltered:
		return r.Content.AlteredFiles > 0
	case FileForeign:
		return r.Content.UnownedSetUID > 0
	}
	return r.Content.UnownedFiles > 0
}

// readWhole reports whether an analyser looked at all of an image, so that none found means none.
func readWhole(r *posture.Row, analyzer string) bool {
	c, ok := r.Analyzed(analyzer)
	return ok && c.State == plimsoll.ReadComplete
}

// inLayer reports whether a layer's index is the one asked for; any is when none is.
func inLayer(index int, layer string) bool { return layer == "" || strconv.Itoa(index) == layer }

// SecretsOf are the secrets of an inventory that a layer holds (-1: its configuration), all of them when layer is empty: those
// that a container can read first. word picks visible or hidden ones; any other takes both.
func SecretsOf(inv plimsoll.Inventory, layer, word string) Ordered[plimsoll.Secret] {
	var out []plimsoll.Secret
	for _, s := range inv.Secrets {
		if inLayer(s.Layer, layer) && (word != SecretVisible || !s.Hidden) && (word != SecretHidden || s.Hidden) {
			out = append(out, s)
		}
	}
	seen := map[string]int{}
	return order(out, func(s plimsoll.Secret) string {
		return distinct(seen, fmt.Sprintf("%t\x00%s\x00%012d\x00%s\x00%s\x00%06d", s.Hidden, s.Path, s.Line, s.Rule, s.Fingerprint, s.Layer))
	})
}

// FilesOf are the files worth a look of an inventory that a layer holds, all of them when layer is empty: what may be an
// intruder's first. word, one of those of the parameter file, picks some.
func FilesOf(inv plimsoll.Inventory, layer, word string) Ordered[plimsoll.File] {
	var out []plimsoll.File
	for _, f := range inv.Files {
		if inLayer(f.Layer, layer) && fileIs(f, word) {
			out = append(out, f)
		}
	}
	seen := map[string]int{}
	return order(out, func(f plimsoll.File) string { return distinct(seen, fmt.Sprintf("%02d\x00%s", f.Rank(), f.Path)) })
}

func fileIs(f plimsoll.File, word string) bool {
	switch word {
	case FileAltered:
		return f.Has(plimsoll.NoteAltered)
	case FileForeign:
		return f.Foreign()
	case FileUnowned:
		return f.Has(plimsoll.NoteUnowned)
	}
	return true
}

// RemovedOf are the packages of an inventory that a layer holds and a later one removed; those of all layers when layer is
// empty.
func RemovedOf(inv plimsoll.Inventory, layer string) Ordered[plimsoll.Package] {
	return packagesIn(inv.Hidden, layer)
}

// Notes are a file's notes as one reads them: "unowned, set-uid".
func Notes(f plimsoll.File) string {
	words := make([]string, len(f.Notes))
	for i, n := range f.Notes {
		words[i] = string(n)
	}
	return strings.Join(words, ", ")
}

// Mode are a file's permission bits as chmod(1) takes them.
func Mode(f plimsoll.File) string { return fmt.Sprintf("%04o", f.Mode) }

// Place is where a secret stands: path and line, or the place in the configuration.
func Place(s plimsoll.Secret) string {
	if s.Line > 0 {
		return s.Path + ":" + strconv.Itoa(s.Line)
	}
	return s.Path
}
