import { testWith } from './suite.ts';

testWith('BIRD');
