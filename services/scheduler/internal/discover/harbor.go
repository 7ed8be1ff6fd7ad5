package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// harbor is Harbor 2, by its API /api/v2.0: projects, their repositories, and artifacts with their tags.
//
// Tags come with their digests, so no manifest is asked for by tag, and a proxy cache is read like any project: what it has cached is
// listed, and nothing in a listing makes it fetch from upstream.
type harbor struct {
	c     *registry.Client
	api   *registry.API
	given []string // projects by configuration; empty: all that the account sees

	mu     sync.Mutex
	found  []string // projects of the listing under way
	foundA time.Time
}

// projectsLife is how long a list of projects is used: a page's time. Each sweep starts with a new one.
const projectsLife = 10 * time.Minute

func newHarbor(c *registry.Client, conf plimsoll.Registry) (vendor, error) {
	api, err := c.API(conf.APIURL, registry.BasicLogin)
	if err != nil {
		return nil, err
	}
	return &harbor{c: c, api: api, given: conf.Namespaces}, nil
}

func (h *harbor) repositories(ctx context.Context, cursor string, n int) (Page, error) {
	projects, err := h.projects(ctx, cursor == "")
	if err != nil {
		return Page{}, err
	}
	return walk(ctx, projects, cursor, n, func(ctx context.Context, project, at string) ([]string, string, error) {
		return h.page(ctx, "repositories of project "+project, "/projects/"+url.PathEscape(project)+"/repositories", at, nil, func(b []byte) ([]string, int, error) {
			names, err := decodeHarborNames(b)
			return names, len(names), err
		})
	})
}

// projects are those to list, found once a listing.
func (h *harbor) projects(ctx context.Context, afresh bool) ([]string, error) {
	if len(h.given) > 0 {
		return h.given, nil
	}
	h.mu.Lock()
	found, at := h.found, h.foundA
	h.mu.Unlock()
	if !afresh && found != nil && time.Since(at) < projectsLife {
		return found, nil
	}
	found = []string{}
	for cursor := ""; ; {
		names, next, err := h.page(ctx, "projects", "/projects", cursor, nil, func(b []byte) ([]string, int, error) {
			names, err := decodeHarborNames(b)
			return names, len(names), err
		})
		if err != nil {
			return nil, fmt.Errorf("%w; or write the projects under namespaces: an account of one project may not list them", err)
		}
		found = append(found, names...)
		if len(found) > maxNamespaces {
			return nil, fmt.Errorf("projects: %w: more than %d", plimsoll.ErrLimit, maxNamespaces)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	h.mu.Lock()
	h.found, h.foundA = found, time.Now()
	h.mu.Unlock()
	return found, nil
}

// tags lists the tagged artifacts of a repository; a page of artifacts holds all tags of each.
func (h *harbor) tags(ctx context.Context, repository, cursor string) ([]Tag, string, error) {
	project, name, ok := strings.Cut(repository, "/")
	if !ok {
		return nil, "", fmt.Errorf("repository %s: %w: Harbor's are project/name", repository, plimsoll.ErrNotFound)
	}
	// Harbor decodes the name twice, so that slashes in it pass through proxies.
	path := "/projects/" + url.PathEscape(project) + "/repositories/" + url.PathEscape(url.PathEscape(name)) + "/artifacts"
	var tags []Tag
	_, next, err := h.page(ctx, "tags of "+repository, path, cursor, url.Values{"with_tag": {"true"}, "q": {"tags=*"}}, func(b []byte) (marks []string, n int, err error) {
		tags, marks, err = decodeHarborArtifacts(b)
		return marks, len(marks), err
	})
	return tags, next, err
}

// page asks for one numbered page; a full one is followed by another.
func (h *harbor) page(ctx context.Context, what, path, cursor string, query url.Values, decode func([]byte) (marks []string, n int, err error)) ([]string, string, error) {
	at, err := place(cursor)
	if err != nil {
		return nil, "", err
	}
	q := url.Values{"page": {strconv.Itoa(at.page)}, "page_size": {strconv.Itoa(pageSize)}}
	for name, values := range query {
		q[name] = values
	}
	reply, err := h.api.Get(ctx, what, "/api/v2.0"+path, q)
	if err != nil {
		return nil, "", err
	}
	marks, n, err := decode(reply.Body)
	if err != nil {
		return nil, "", malformed(what, err)
	}
	next, err := at.after(what, marks, n >= pageSize)
	return marks, next, err
}

// decodeHarborNames reads a page of projects or repositories.
func decodeHarborNames(b []byte) (names []string, err error) {
	var page []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, err
	}
	if page == nil {
		return nil, errNoResults
	}
	for _, p := range page {
		names = append(names, p.Name)
	}
	return names, nil
}

// decodeHarborArtifacts reads a page of artifacts. marks are their digests.
func decodeHarborArtifacts(b []byte) (tags []Tag, marks []string, err error) {
	var page []struct {
		Digest string    `json:"digest"`
		Pushed timestamp `json:"push_time"`
		Tags   []struct {
			Name   string    `json:"name"`
			Pushed timestamp `json:"push_time"`
		} `json:"tags"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, nil, err
	}
	if page == nil {
		return nil, nil, errNoResults
	}
	for _, a := range page {
		digest, err := plimsoll.ParseDigest(a.Digest)
		if err != nil {
			return nil, nil, err // never a HEAD by tag in its place: a proxy cache would ask upstream
		}
		marks = append(marks, a.Digest)
		for _, t := range a.Tags {
			pushed := t.Pushed.Time
			if pushed.IsZero() {
				pushed = a.Pushed.Time
			}
			tags = append(tags, Tag{Name: t.Name, Digest: digest, Pushed: pushed})
		}
	}
	return tags, marks, nil
}

// account asks when a robot account ends; whether it may see itself is for the account's permissions to say.
func (h *harbor) account(ctx context.Context, now time.Time) (plimsoll.Credential, error) {
	user, err := h.c.Account(ctx)
	if err != nil {
		return plimsoll.Credential{}, err
	}
	c, err := notTold(ctx, h.c)
	if err != nil || !strings.Contains(user, "$") {
		return c, err
	}
	robot, err := h.robot(ctx, user)
	switch {
	case err != nil:
		return c, nil // it works, which is all we may know
	case robot.ExpiresAt <= 0:
		return plimsoll.Credential{State: plimsoll.CredentialGood, Detail: user + ", which does not end"}, nil
	}
	return plimsoll.NewCredential("", user, time.Unix(robot.ExpiresAt, 0), now), nil
}

// harborRobot is a robot account; expires_at is in seconds since 1970, -1 for never.
type harborRobot struct {
	Name      string `json:"name"`
	ExpiresAt int64  `json:"expires_at"`
}

// robot finds a robot account by its full name: robot$name, or robot$project+name of a project's own.
func (h *harbor) robot(ctx context.Context, user string) (harborRobot, error) {
	_, short, _ := strings.Cut(user, "$")
	q := "Level=system"
	if project, name, ok := strings.Cut(short, "+"); ok {
		reply, err := h.api.Get(ctx, "project "+project, "/api/v2.0/projects/"+url.PathEscape(project), nil)
		if err != nil {
			return harborRobot{}, err
		}
		var p struct {
			ID int64 `json:"project_id"`
		}
		if err := json.Unmarshal(reply.Body, &p); err != nil {
			return harborRobot{}, malformed("project "+project, err)
		}
		q, short = fmt.Sprintf("Level=project,ProjectID=%d", p.ID), name
	}
	reply, err := h.api.Get(ctx, "robot accounts", "/api/v2.0/robots", url.Values{"q": {q}, "page_size": {strconv.Itoa(pageSize)}})
	if err != nil {
		return harborRobot{}, err
	}
	robots, err := decodeHarborRobots(reply.Body)
	if err != nil {
		return harborRobot{}, err
	}
	for _, r := range robots {
		if r.Name == user || r.Name == short {
			return r, nil
		}
	}
	return harborRobot{}, errors.New("it does not see itself")
}

func decodeHarborRobots(b []byte) (robots []harborRobot, err error) {
	err = json.Unmarshal(b, &robots)
	return robots, err
}
