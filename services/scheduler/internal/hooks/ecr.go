package hooks

import (
	"encoding/json"
	"errors"
	"strings"
)

// ecr reads Amazon ECR's events as EventBridge hands them on (Amazon ECR user guide, "Events and EventBridge").
func ecr(m message) (heard, error) {
	var e struct {
		ID      string `json:"id"`
		Source  string `json:"source"`
		Kind    string `json:"detail-type"`
		Time    moment `json:"time"`
		Account string `json:"account"`
		Region  string `json:"region"`
		Detail  struct {
			Result     string `json:"result"`
			Action     string `json:"action-type"`
			Repository string `json:"repository-name"`
			Tag        string `json:"image-tag"`
			Digest     string `json:"image-digest"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	if e.Kind == "" {
		return heard{}, notOne(errors.New(`it has no "detail-type"`))
	}
	action := e.Detail.Action
	known := action == "PUSH" || action == "DELETE" || action == "REPLICATE" // the last one at the registry that it came to
	if e.Source != "aws.ecr" || !known || e.Detail.Result != "SUCCESS" || elsewhere(m.registry.Host(), e.Account, e.Region) {
		return ignoring()
	}
	return one(hint{
		id: e.ID, at: e.Time.Time, gone: action == "DELETE",
		repository: e.Detail.Repository, tag: e.Detail.Tag, digest: e.Detail.Digest,
	})
}

// elsewhere says that an event is of another account's or region's registry. A host that is not Amazon's form (a proxy) tells
// nothing.
func elsewhere(host, account, region string) bool {
	name, found := strings.CutSuffix(strings.TrimSuffix(host, ".cn"), ".amazonaws.com")
	return found && account+".dkr.ecr."+region != name
}
