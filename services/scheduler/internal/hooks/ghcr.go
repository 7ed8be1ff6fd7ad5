package hooks

import (
	"encoding/json"
	"errors"
	"strings"
)

// githubPackage is what is read of a package in GitHub's events "package" and "registry_package".
type githubPackage struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Type      string `json:"package_type"`
	Owner     struct {
		Login string `json:"login"`
	} `json:"owner"`
	UpdatedAt moment `json:"updated_at"`
	Version   struct {
		Version  string `json:"version"`
		Metadata struct {
			Tag struct {
				Name   string `json:"name"`
				Digest string `json:"digest"`
			} `json:"tag"`
		} `json:"container_metadata"`
	} `json:"package_version"`
}

// ghcr reads GitHub Packages. GitHub sends a ping when the webhook is made.
func ghcr(m message) (heard, error) {
	kind := m.header.Get("X-Github-Event")
	if kind == "" {
		return heard{}, notOne(errors.New("it has no X-GitHub-Event"))
	}
	var e struct {
		Action          string        `json:"action"`
		Package         githubPackage `json:"package"`
		RegistryPackage githubPackage `json:"registry_package"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	p := e.Package
	switch kind {
	case "package":
	case "registry_package":
		p = e.RegistryPackage
	default:
		return ignoring()
	}
	container := strings.EqualFold(p.Type, "container") || strings.EqualFold(p.Type, "docker")
	if !container || e.Action != "published" && e.Action != "updated" {
		return ignoring()
	}
	owner := p.Namespace
	if owner == "" {
		owner = p.Owner.Login
	}
	h := hint{
		id: m.header.Get("X-Github-Delivery"), at: p.UpdatedAt.Time,
		// GitHub keeps the case that people wrote; in references all is lower case.
		repository: strings.ToLower(owner + "/" + p.Name),
		tag:        p.Version.Metadata.Tag.Name, digest: p.Version.Metadata.Tag.Digest,
	}
	if h.digest == "" && isDigest(p.Version.Version) {
		h.digest = p.Version.Version
	}
	return one(h)
}
