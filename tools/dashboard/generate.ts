/** Writes what deploy/ holds of tools/dashboard: Grafana's dashboard and Prometheus's rules. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { dashboard } from './grafana.ts';
import { alerts, recordings } from './rules.ts';

const deploy = join(import.meta.dirname, '../../deploy');

/** Every generated file and what it holds. */
export const generated: Readonly<Record<string, string>> = {
  [join(deploy, 'grafana/dashboards/singletree.json')]: `${JSON.stringify(dashboard(), null, 2)}\n`,
  [join(deploy, 'prometheus/rules.yaml')]:
    `# Generated from tools/dashboard by \`pnpm generate\`; do not edit. Numbers that suit you better go into a file of your own.\n${stringify(
      rules(),
      { lineWidth: 0 },
    )}`,
};

function rules(): object {
  return {
    groups: [
      { name: 'singletree', rules: recordings.map(({ record, expression }) => ({ record, expr: expression })) },
      {
        name: 'singletree alerts',
        rules: alerts.map(({ alert, quantity, when, enough, lasts, severity, summary, description }) => ({
          alert,
          expr: [`${quantity} ${when}`, ...(enough === undefined ? [] : [`(${enough})`])].join(' and on () '),
          for: lasts,
          labels: { severity },
          annotations: { summary, description },
        })),
      },
    ],
  };
}

if (import.meta.main) for (const [file, text] of Object.entries(generated)) writeFileSync(file, text);
