package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// distribution is any registry that offers the distribution specification's catalog.
type distribution struct{ c *registry.Client }

func (d distribution) repositories(ctx context.Context, cursor string, n int) (Page, error) {
	names, next, err := d.c.Catalog(ctx, cursor, n)
	return Page{Repositories: names, Next: next}, err
}

func (d distribution) tags(ctx context.Context, repository, cursor string) ([]Tag, string, error) {
	return plainTags(ctx, d.c, repository, cursor)
}

// plainTags lists tags by the specification, which tells their names alone.
func plainTags(ctx context.Context, c *registry.Client, repository, cursor string) ([]Tag, string, error) {
	names, next, err := c.Tags(ctx, repository, cursor, registry.PageSize)
	if err != nil {
		return nil, "", err
	}
	tags := make([]Tag, len(names))
	for i, name := range names {
		tags[i].Name = name
	}
	return tags, next, nil
}

func (d distribution) account(ctx context.Context, _ time.Time) (plimsoll.Credential, error) {
	return notTold(ctx, d.c)
}

// notTold is what is known of an account whose registry does not say how long it lasts: whether it works.
func notTold(ctx context.Context, c *registry.Client) (plimsoll.Credential, error) {
	user, err := c.Account(ctx)
	if err != nil {
		return plimsoll.Credential{}, err
	}
	if err := c.Ping(ctx); errors.Is(err, plimsoll.ErrDenied) {
		return plimsoll.Credential{}, err
	}
	if user == "" {
		user = "without a user name"
	}
	return plimsoll.Credential{State: plimsoll.CredentialNotTold, Detail: user}, nil
}

// needNamespaces is the fault of a kind that cannot be listed as a whole.
func needNamespaces(conf plimsoll.Registry, what string) error {
	if len(conf.Namespaces) == 0 && len(conf.Repositories) == 0 {
		return fmt.Errorf("kind %s: %w: write which %s to list under namespaces, or list the repositories", conf.Kind, plimsoll.ErrInvalid, what)
	}
	return nil
}
