package assemble

import (
	"cmp"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// configFacts are what is known besides the layers: the analysers that are on, and the secrets of the configuration.
type configFacts struct {
	analyzers []string
	secrets   []plimsoll.SecretFile
	read      []plimsoll.Coverage // of the configuration, by the secrets analyser
}

// secrets are those of the files that are there, of those that an upper layer removed, and of the configuration. short says what
// was not searched whole.
func (s *state) secrets(config configFacts) (all []plimsoll.Secret, short []plimsoll.Coverage) {
	short = config.read
	take := func(f *plimsoll.SecretFile, layer int, gone bool, until int) {
		if f.Read.Short() {
			short = append(short, f.Read)
		}
		for _, x := range f.Secrets {
			x.Path, x.Layer, x.Hidden, x.HiddenIn = f.Path, layer, gone, until
			all = append(all, x)
		}
	}
	for i := range config.secrets {
		take(&config.secrets[i], plimsoll.LayerConfig, false, 0)
	}
	for _, f := range s.files {
		switch {
		case f.secrets == nil:
		case f.there():
			take(f.secrets, f.layer, false, 0)
		default:
			take(f.secrets, f.layer, true, max(f.until, f.layer))
		}
	}
	slices.SortFunc(all, compareSecrets)
	return slices.CompactFunc(all, sameSecret), short
}

// compareSecrets puts of two that differ in their layer alone the one that is there first.
func compareSecrets(a, b plimsoll.Secret) int {
	return cmp.Or(
		cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint),
		boolCompare(a.Hidden, b.Hidden), cmp.Compare(a.Layer, b.Layer), -cmp.Compare(a.HiddenIn, b.HiddenIn),
	)
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// sameSecret tells two finds of one secret in one place: a file that was written again unchanged.
func sameSecret(a, b plimsoll.Secret) bool {
	return a.Path == b.Path && a.Line == b.Line && a.Rule == b.Rule && a.Fingerprint == b.Fingerprint
}
