package hooks

import (
	"encoding/json"
	"errors"
	"strings"
)

// gitea reads the package events of Gitea and Forgejo.
func gitea(m message) (heard, error) {
	kind := firstOf(m, "X-Gitea-Event", "X-Forgejo-Event")
	if kind == "" {
		return heard{}, notOne(errors.New("it has no X-Gitea-Event"))
	}
	var e struct {
		Action  string `json:"action"`
		Package struct {
			Owner struct {
				Login    string `json:"login"`
				UserName string `json:"username"` // older ones
			} `json:"owner"`
			Name    string `json:"name"`
			Type    string `json:"type"`
			Version string `json:"version"` // tag or digest
			Created moment `json:"created_at"`
		} `json:"package"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	if kind != "package" || e.Package.Type != "container" || e.Action != "created" && e.Action != "deleted" {
		return ignoring()
	}
	owner := e.Package.Owner.Login
	if owner == "" {
		owner = e.Package.Owner.UserName
	}
	h := hint{
		id: firstOf(m, "X-Gitea-Delivery", "X-Forgejo-Delivery"), gone: e.Action == "deleted",
		repository: strings.ToLower(owner + "/" + e.Package.Name), tag: e.Package.Version,
	}
	if !h.gone { // a deletion has the time at which the package was made
		h.at = e.Package.Created.Time
	}
	return one(h)
}

// firstOf is the first of some headers that a message has.
func firstOf(m message, names ...string) string {
	for _, name := range names {
		if v := m.header.Get(name); v != "" {
			return v
		}
	}
	return ""
}
