// The order in which the tiles of a product are worked on.
#pragma once
#include "device.h"

/// Tile `index` of a grid of tiles, in groups of `height` rows of tiles, down the columns within a group: what runs at the same time forms
/// a block of about equal sides, so that its operands stay in the second cache.
struct TileOrder {
  int row_tiles, column_tiles, height;

  HOOF_INLINE void at(int index, int &row, int &column) const {
    int group = index / (height * column_tiles), first = group * height, within = index - first * column_tiles;
    int tall = row_tiles - first < height ? row_tiles - first : height;
    column = within / tall;
    row = first + within - column * tall;
  }
};
