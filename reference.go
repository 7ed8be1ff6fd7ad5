package plimsoll

import (
	"fmt"
	"regexp"
	"strings"
)

// Reference names an image as people write it: registry/repository:tag, or @digest. Registry is the registry's configured
// name (its id) inside the product and a host in what people type.
type Reference struct {
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Tag        string `json:"tag,omitempty"`
	Digest     Digest `json:"digest,omitempty"`
}

// The grammar of the OCI distribution specification, "Pulling manifests"; lengths as registries enforce them.
var (
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagForm        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// MaxRepository is the longest repository name accepted, in bytes: what common registries enforce.
const MaxRepository = 255

// CheckRepository returns an error for a name outside the distribution specification's grammar.
func CheckRepository(name string) error {
	if len(name) > MaxRepository || !repositoryForm.MatchString(name) {
		return fmt.Errorf("repository %.80q: %w name (distribution specification)", name, ErrInvalid)
	}
	return nil
}

// CheckTag returns an error for a tag outside the distribution specification's grammar.
func CheckTag(tag string) error {
	if !tagForm.MatchString(tag) {
		return fmt.Errorf("tag %.80q: %w name (distribution specification)", tag, ErrInvalid)
	}
	return nil
}

// String writes the reference back: the tag where there is one, the digest too where both are known.
func (r Reference) String() string {
	var b strings.Builder
	if r.Registry != "" {
		b.WriteString(r.Registry + "/")
	}
	b.WriteString(r.Repository)
	if r.Tag != "" {
		b.WriteString(":" + r.Tag)
	}
	if r.Digest != "" {
		b.WriteString("@" + string(r.Digest))
	}
	return b.String()
}
