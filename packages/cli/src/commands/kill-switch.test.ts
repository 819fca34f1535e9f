import { expect, test } from 'vitest';
import type { EngagedKillSwitch } from '@singletree/sdk';
import { lookOf } from '../terminal/look.ts';
import { engagedLines } from './kill-switch.ts';

const look = lookOf({ write: () => {}, isTTY: false }, {});
const ids = ['0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c', '0199c1d5-7f3a-7b11-a2c4-0d9e8f7a6b5c'];
const engaged: EngagedKillSwitch = {
  killSwitch: { scope: 'all', why: 'the bill', at: new Date(0) },
  taskIds: ids,
  complete: true,
  survivors: [],
};

test.each<[string, EngagedKillSwitch, string[]]>([
  ['all is gone', engaged, ['✓ kill switch all is on · the bill', '  ended   2 tasks: 0199c1d4-7f3a 0199c1d5-7f3a']],
  [
    'nothing ran',
    { ...engaged, killSwitch: { scope: 'label=a\u001b[31m', at: new Date(0) }, taskIds: [] },
    ['✓ kill switch label=a is on', '  ended   nothing was running'],
  ],
  [
    'some of it is still there',
    {
      ...engaged,
      complete: false,
      survivors: [
        { pid: 4711, taskId: ids[0] ?? '', command: 'cat' },
        { pid: 4712, taskId: ids[1] ?? '' },
      ],
    },
    [
      '✗ kill switch all is on · the bill',
      '  ended         2 tasks: 0199c1d4-7f3a 0199c1d5-7f3a',
      '  still there   pid 4711 (cat) of task 0199c1d4-7f3a',
      '  still there   pid 4712 of task 0199c1d5-7f3a',
    ],
  ],
  [
    'nobody is found, but not everything has ended',
    { ...engaged, complete: false },
    [
      '✗ kill switch all is on · the bill',
      '  ended     2 tasks: 0199c1d4-7f3a 0199c1d5-7f3a',
      '  not yet   not every process has its ending; the same once more waits again',
    ],
  ],
])('on tells that %s', (_, answer, lines) => expect(engagedLines(answer, look)).toEqual(lines));
