package analyze

import (
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/plimsoll/plimsoll"
)

// Stage says which analyser is at work, and which of its extractors, in one word: it can lie in memory that another process
// watches, so that a crash can be laid at the right door. The zero value says that none is.
type Stage uint32

// stages are all that a Stage can say, by number.
var stages = newStages()

func newStages() (all []string) {
	all = append(all, "")
	for _, a := range []string{plimsoll.AnalyzerTree, plimsoll.AnalyzerPackages, plimsoll.AnalyzerFiles, plimsoll.AnalyzerSecrets} {
		all = append(all, a)
		if a == plimsoll.AnalyzerPackages {
			for _, x := range stageNames() {
				all = append(all, a+" "+x)
			}
		}
	}
	return all
}

// StageOf is the stage in watched memory of at least four bytes, aligned to four.
func StageOf(memory []byte) *Stage { return (*Stage)(unsafe.Pointer(&memory[0])) }

// Load reads the stage: the analyser's name, and the extractor's where one is at work.
func (s *Stage) Load() (analyzer, extractor string) {
	n := int(s.load())
	if n >= len(stages) {
		return "", ""
	}
	analyzer, extractor, _ = strings.Cut(stages[n], " ")
	return analyzer, extractor
}

// Reset says that no analyser is at work.
func (s *Stage) Reset() { s.store(0) }

func (s *Stage) load() Stage   { return Stage(atomic.LoadUint32((*uint32)(s))) }
func (s *Stage) store(v Stage) { atomic.StoreUint32((*uint32)(s), uint32(v)) }

var stageNumbers = func() map[string]Stage {
	m := map[string]Stage{}
	for i, name := range stages {
		m[name] = Stage(i)
	}
	return m
}()

func stageNumber(name string) Stage { return stageNumbers[name] }

// stageNames are the extractors that may be at work, sorted.
func stageNames() []string { return slices.Sorted(slices.Values(append(readerNames(), NameBinary))) }
