package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config/types"
)

// dockerFiles are the names under which a Docker configuration stands in a folder: those of Kubernetes' two kinds of pull secrets when
// they are mounted, and Docker's own.
var dockerFiles = []string{".dockerconfigjson", ".dockercfg", "config.json"}

// readDockerConfig reads a Docker configuration, or the one in a folder. The old form (.dockercfg) has the registries at its top.
func readDockerConfig(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		for _, f := range dockerFiles {
			if _, err := os.Stat(filepath.Join(name, f)); err == nil {
				return readDockerConfig(filepath.Join(name, f))
			}
		}
		return nil, fmt.Errorf("%s: %w: want one of %s in it", name, os.ErrNotExist, strings.Join(dockerFiles, ", "))
	}
	b, err := readSmall(name)
	if err != nil || filepath.Base(name) != ".dockercfg" {
		return b, err
	}
	return json.Marshal(map[string]json.RawMessage{"auths": b})
}

// keysIn are the names under which a file's entries know this registry. Entries may be written as Kubernetes allows: with patterns
// in the host's parts, and with a path. An entry for a path counts when there is no other: we have one account a registry.
func (c *Client) keysIn(entries map[string]types.AuthConfig) ([]string, error) {
	keys := c.keys()
	for _, key := range keys {
		if _, there := entries[key]; there {
			return keys, nil
		}
	}
	var whole, parts []string
	for entry := range entries {
		host, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(entry, "https://"), "http://"), "/")
		rest = strings.Trim(rest, "/")
		switch {
		case !hostFits(host, c.base.Host):
		case rest == "", rest == "v1", rest == "v2":
			whole = append(whole, entry)
		default:
			parts = append(parts, entry)
		}
	}
	slices.Sort(whole)
	slices.Sort(parts)
	if len(whole) == 0 && len(parts) > 1 {
		return nil, fmt.Errorf("%d entries for parts of %s (%.200s): write one file a registry, and one registry for each part", len(parts), c.base.Host, strings.Join(parts, ", "))
	}
	return slices.Concat(keys, whole, parts), nil
}

// hostFits compares a host part by part, so that a star does not stand for several.
func hostFits(pattern, host string) bool {
	p, h := strings.Split(pattern, "."), strings.Split(host, ".")
	if len(p) != len(h) {
		return false
	}
	for i := range p {
		if ok, err := path.Match(p[i], h[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
