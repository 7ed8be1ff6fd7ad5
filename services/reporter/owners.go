package reporter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// maxOwners bounds the file of owners before it is parsed, in bytes: a path given by mistake must not be read whole.
	maxOwners = 1 << 20
	// maxTeams bounds its entries: each repository is compared with all of them.
	maxTeams = 2000
	// maxTeam bounds a team's name, in bytes.
	maxTeam = 200
)

// ownerLine is one entry of the file of owners.
type ownerLine struct {
	Registry string `yaml:"registry"` // id; empty: any
	Pattern  string `yaml:"pattern"`  // on repository or repository:tag, as a registry's include
	Team     string `yaml:"team"`
}

// owners are the configured ones.
func (c Config) owners() (posture.Owners, error) {
	out := posture.Owners{Label: c.OwnerLabel}
	if c.Owners == "" {
		return out, nil
	}
	lines, err := readOwners(c.Owners)
	if err != nil {
		return out, fmt.Errorf("reporter.owners %s: %w", c.Owners, err)
	}
	m := &ownerMap{lines: lines, byRepository: map[[2]string][]ownerLine{}}
	out.Team = m.team
	return out, nil
}

// ownerMap finds the first entry that fits. Which entries may fit a repository is found once: patterns are many, and most
// speak of no tag.
type ownerMap struct {
	lines        []ownerLine
	mu           sync.Mutex
	byRepository map[[2]string][]ownerLine
}

func (m *ownerMap) team(registry, repository, tag string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := [2]string{registry, repository}
	may, ok := m.byRepository[k]
	if !ok {
		for _, l := range m.lines {
			if (l.Registry == "" || l.Registry == registry) && config.Match([]string{l.Pattern}, nil, repository, "") {
				may = append(may, l)
			}
		}
		m.byRepository[k] = may
	}
	for _, l := range may {
		if config.Match([]string{l.Pattern}, nil, repository, tag) {
			return l.Team
		}
	}
	return ""
}

func readOwners(file string) ([]ownerLine, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxOwners {
		return nil, fmt.Errorf("%w: %d bytes, more than %d; is it the right file?", plimsoll.ErrLimit, info.Size(), maxOwners)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseOwners(b)
}

// parseOwners reads the file of owners strictly: an entry that is not understood would give images to nobody without a word.
func parseOwners(b []byte) (lines []ownerLine, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&lines); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: want a list of pattern and team: %w", plimsoll.ErrInvalid, err)
	}
	if len(lines) > maxTeams {
		return nil, fmt.Errorf("%w: %d entries, more than %d", plimsoll.ErrLimit, len(lines), maxTeams)
	}
	for i, l := range lines {
		if l.Pattern == "" || l.Team == "" || len(l.Team) > maxTeam {
			return nil, fmt.Errorf("%w: entry %d: want a pattern and a team of at most %d bytes", plimsoll.ErrInvalid, i+1, maxTeam)
		}
		if err := config.CheckPattern(l.Pattern); err != nil {
			return nil, fmt.Errorf("%w: entry %d: %w", plimsoll.ErrInvalid, i+1, err)
		}
	}
	return lines, nil
}
