package discover

import (
	"context"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// Tag is one tag of a repository.
type Tag struct {
	Name   string
	Digest plimsoll.Digest // what it names; empty where the vendor does not tell: a HEAD does
	Pushed time.Time       // when it was pushed last; zero where the vendor does not tell
}

// Page is one page of a registry's repositories.
type Page struct {
	Repositories []string // in no promised order, as the vendor gave them
	Next         string   // cursor of the next page; empty after the last
	Missed       []Missed // parts of the registry that could not be listed: the listing is not complete then
}

// Missed is a part of a registry that could not be listed, and why.
type Missed struct {
	Name string // a project, group or namespace
	Err  error
}

// A vendor lists one kind of registry. Its errors wrap the sentinels of package plimsoll, as those of [registry.Client] do.
type vendor interface {
	// repositories lists one page of about n names. The cursor is "" at first and then the former page's Next; one that
	// another process got is as good.
	repositories(ctx context.Context, cursor string, n int) (Page, error)
	// tags lists one page of a repository's tags; an unknown repository is ErrNotFound.
	tags(ctx context.Context, repository, cursor string) (tags []Tag, next string, err error)
	// account says how long the credentials last, in a Credential without a Kind; the error is why they do not work.
	account(ctx context.Context, now time.Time) (plimsoll.Credential, error)
}

// Source lists one registry. It is safe for use by many goroutines.
type Source struct {
	*registry.Client // for Head and Throttled
	vendor           vendor
}

// New makes the source of a client's registry, by its kind. Nothing is sent. Errors are faults of the configuration.
func New(c *registry.Client) (*Source, error) {
	conf := c.Registry()
	v, err := vendorOf(c, conf)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", conf.ID, err)
	}
	return &Source{Client: c, vendor: v}, nil
}

func vendorOf(c *registry.Client, conf plimsoll.Registry) (vendor, error) {
	switch conf.Kind {
	case "", plimsoll.KindDistribution:
		return distribution{c}, nil
	case plimsoll.KindDockerHub:
		return newHub(c, conf)
	case plimsoll.KindGoogle:
		return newGoogle(c, conf)
	case plimsoll.KindHarbor:
		return newHarbor(c, conf)
	case plimsoll.KindGitLab:
		return newGitLab(c, conf)
	}
	return nil, fmt.Errorf("kind %.80q: %w", conf.Kind, plimsoll.ErrUnsupported)
}

// Repositories lists one page of about n repositories after the cursor.
func (s *Source) Repositories(ctx context.Context, cursor string, n int) (Page, error) {
	return s.vendor.repositories(ctx, cursor, n)
}

// Tags lists one page of a repository's tags after the cursor; the next one is empty after the last. An unknown repository is
// ErrNotFound.
func (s *Source) Tags(ctx context.Context, repository, cursor string) (tags []Tag, next string, err error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return nil, "", err
	}
	return s.vendor.tags(ctx, repository, cursor)
}

// Credentials says how the credentials stand that this registry is read with. It asks the registry at most a few times and
// returns what it could learn.
func (s *Source) Credentials(ctx context.Context, now time.Time) []plimsoll.Credential {
	account, err := s.vendor.account(ctx, now)
	if err != nil {
		account = plimsoll.Credential{State: plimsoll.CredentialRefused, Detail: line(err)}
	}
	account.Kind = plimsoll.CredentialAccount
	return append([]plimsoll.Credential{account}, s.Certificates(now)...)
}
