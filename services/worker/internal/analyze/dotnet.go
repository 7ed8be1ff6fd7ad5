package analyze

import (
	"context"
	"encoding/json"

	"github.com/google/osv-scalibr/extractor/filesystem"

	"github.com/plimsoll/plimsoll"
)

// dotnet reads .NET's lists of what a program was built with. The extractor takes bytes that are no JSON for another kind of file
// and says nothing; and it calls another program's file of that name, which lists no libraries, broken.
type dotnet struct{ extractor filesystem.Extractor }

func (x dotnet) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	var list struct {
		Libraries json.RawMessage `json:"libraries"`
	}
	if json.Unmarshal(f.data, &list) != nil {
		return nil, reasonBroken
	}
	if list.Libraries == nil {
		return nil, ""
	}
	return plain(x).read(ctx, f)
}
