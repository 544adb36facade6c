package dash_test

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluice-gate/sluice/pkg/webtest"
)

// mostOfPicture bounds a picture of the README, in bytes.
const mostOfPicture = 150 << 10

// shoot keeps a picture for the README, if that is what is wanted (UPDATE=1).
func shoot(t *testing.T, p *webtest.Page, name string, dark, small bool) {
	t.Helper()
	if os.Getenv("UPDATE") == "" || name == "" {
		return
	}
	if small {
		name += "-phone"
	}
	if dark {
		name += "-dark"
	}
	dir := filepath.Join("..", "..", "..", "..", "deploy", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	picture := fewer(t, p.Shot())
	if len(picture) > mostOfPicture {
		t.Errorf("%s has %d bytes", name, len(picture))
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// fewer is a picture with the 256 colours that it has most of; an interface has few others.
func fewer(t *testing.T, shot []byte) []byte {
	t.Helper()
	in, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	size := in.Bounds()
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA {
		c, ok := color.RGBAModel.Convert(in.At(x, y)).(color.RGBA)
		if !ok {
			t.Fatal("no colour")
		}
		return c
	}
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range all[:min(192, len(all))] {
		palette = append(palette, c)
	}
	for len(palette) < min(256, len(all)) { // and what is least like any of these: a dot, a line
		far, least := color.RGBA{}, -1
		for _, c := range all[len(palette):] {
			if d := unlike(c, palette); d > least {
				far, least = c, d
			}
		}
		palette = append(palette, far)
	}
	nearest := map[color.RGBA]uint8{}
	for _, c := range all {
		nearest[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(size, palette)
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			out.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unlike is how far a colour is from the nearest of a palette.
func unlike(c color.RGBA, palette color.Palette) int {
	least := 1 << 30
	for _, p := range palette {
		o, _ := p.(color.RGBA)
		r, g, b := int(c.R)-int(o.R), int(c.G)-int(o.G), int(c.B)-int(o.B)
		least = min(least, r*r+g*g+b*b)
	}
	return least
}
