import { reflect } from '@bufbuild/protobuf/reflect';
import { jsonForm, TaskCompletionEventSchema, write, type TaskCompletionEvent } from '@singletree/protocol';

/** A completion event on a line of its own, to the byte as the command line prints it with `--json`. */
export function jsonLineOf(event: TaskCompletionEvent): string {
  const text = JSON.stringify(write(reflect(TaskCompletionEventSchema, event), jsonForm));
  // The second range of control characters, which JSON leaves as they are, would steer a terminal.
  return `${text.replace(/[\u007f-\u009f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
