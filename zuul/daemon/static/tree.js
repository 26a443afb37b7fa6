// Where the items of a queue stand in its tree, and which lines lead there.
//
// Items come front first. Each hangs off the item ahead of it; the last one behind an item goes on
// in that item's column, those before it branch off to the right:
//
//   A        A is tested on the branch,
//   |-B      B on top of A; B fails,
//   C        so C, too, is tested on top of A.

// Gives one row per item: {item, cells}, where a cell is a list of words out of up, down, left,
// right (which sides of the cell a line touches) and dot (the item stands here).
export function layOutTree(items) {
  const behindLeft = new Map(items.map((item) => [item.id, 0]));
  for (const item of items) {
    if (behindLeft.has(item.item_ahead)) {
      behindLeft.set(item.item_ahead, behindLeft.get(item.item_ahead) + 1);
    }
  }
  const lanes = [];  // the id in each column whose items behind are still to come, or null
  return items.map((item) => {
    const above = lanes.map((id) => id !== null);
    const parent = item.item_ahead === null ? -1 : lanes.indexOf(item.item_ahead);
    let lane = parent;
    if (parent >= 0) {
      behindLeft.set(item.item_ahead, behindLeft.get(item.item_ahead) - 1);
      if (behindLeft.get(item.item_ahead) > 0) {
        lane = firstFree(lanes, parent + 1);
      }
    } else {
      lane = firstFree(lanes, 0);
    }
    lanes[lane] = behindLeft.get(item.id) > 0 ? item.id : null;
    const cells = lanes.map((id, column) => drawCell(column, above[column], id !== null, parent, lane));
    while (lanes.length > 0 && lanes[lanes.length - 1] === null) {
      lanes.pop();
    }
    return {item, cells};
  });
}

function firstFree(lanes, from) {
  for (let column = from; column < lanes.length; column += 1) {
    if (lanes[column] === null) {
      return column;
    }
  }
  return Math.max(lanes.length, from);
}

function drawCell(column, above, below, parent, lane) {
  const cell = [];
  const branches = parent >= 0 && parent !== lane;
  if (above) {
    cell.push("up");
  }
  if (below) {
    cell.push("down");
  }
  if (branches && column > parent && column <= lane) {
    cell.push("left");
  }
  if (branches && column >= parent && column < lane) {
    cell.push("right");
  }
  if (column === lane) {
    cell.push("dot");
  }
  return cell;
}
